// The parts of the filter table; private to filters*.cc.
#pragma once

#include <span>

#include "tandem/text/jinja/filters.h"

namespace tandem::text::jinja {

std::span<const FilterEntry> text_filters();
std::span<const FilterEntry> number_filters();
std::span<const FilterEntry> sequence_filters();

}  // namespace tandem::text::jinja
