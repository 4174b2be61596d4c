// Held by unique_ptr in c10d's SendWork and RecvWork, which libtorch makes and destroys. See ../../README.md.
#pragma once

namespace gloo::transport {

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer() = 0;
};

}  // namespace gloo::transport
