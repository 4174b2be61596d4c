#include "tandem/text/jinja/filters.h"

#include <map>

#include "tandem/text/jinja/filter_tables.h"

namespace tandem::text::jinja {

const FilterEntry* find_filter(std::string_view name) {
  static const std::map<std::string_view, const FilterEntry*> kFilters = [] {
    std::map<std::string_view, const FilterEntry*> filters;
    for (const auto& table : {text_filters(), number_filters(), sequence_filters()}) {
      for (const FilterEntry& entry : table) filters.emplace(entry.name, &entry);
    }
    return filters;
  }();
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

}  // namespace tandem::text::jinja
