// Passed as shared_ptr from createDeviceForHostname to ProcessGroupGloo::Options. See ../../README.md.
#pragma once

namespace gloo::transport {

class Device;

}  // namespace gloo::transport
