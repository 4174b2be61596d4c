// Included by ProcessGroupGloo.hpp, which needs nothing of it. See ../README.md.
#pragma once
