// Included by ProcessGroupGloo.hpp, which needs nothing of it: Gloo's exceptions derive from
// std::exception. See ../../README.md.
#pragma once
