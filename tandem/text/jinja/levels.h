// The interpreter's guard against deep recursion; private to its sources.
#pragma once

#include "tandem/text/jinja/interpreter.h"

namespace tandem::text::jinja {

class Interpreter::Level {
 public:
  explicit Level(Interpreter& interpreter) : interpreter_(interpreter) {
    interpreter.heap_.spend();
    if (interpreter.levels_ >= kMaxLevels) fail("the template recurses too deeply");
    ++interpreter.levels_;
  }
  ~Level() { --interpreter_.levels_; }
  Level(const Level&) = delete;

 private:
  Interpreter& interpreter_;
};

}  // namespace tandem::text::jinja
