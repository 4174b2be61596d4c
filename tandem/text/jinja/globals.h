// The functions that every template can call: range, dict, namespace, cycler, joiner, raise_exception,
// strftime_now.
#pragma once

#include "tandem/text/jinja/interpreter.h"

namespace tandem::text::jinja {

void define_globals(Interpreter& interpreter);

}  // namespace tandem::text::jinja
