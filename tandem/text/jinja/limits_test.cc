// Hostile templates end in an Error, within time, memory and stack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <ctime>
#include <functional>
#include <string>

#include "tandem/base/error.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/parser.h"

namespace tandem::text::jinja {
namespace {

std::string repeat(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

/// What macOS gives a thread; frames of a build that is not optimised are many times larger.
#ifdef NDEBUG
constexpr std::size_t kStackBytes = 512 << 10;
#else
constexpr std::size_t kStackBytes = 16 << 20;
#endif

void run_on_small_stack(std::function<void()> work) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  const auto start = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, start, &work), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

std::string outcome(const std::string& source) {
  std::string result;
  run_on_small_stack([&] {
    try {
      const Template tree = parse_template(source);
      Interpreter interpreter(tree, {}, 0);
      interpreter.set_global("s", interpreter.heap().from_json("user text"));
      result = "rendered " + std::to_string(interpreter.render().size()) + " bytes";
    } catch (const Error& error) {
      result = error.what();
    }
  });
  return result;
}

/// Not wall time: the machine may have other work.
double processor_time_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct Hostile {
  const char* name;
  std::string source;
  const char* expected;  ///< part of the error
};

class HostileTemplate : public testing::TestWithParam<Hostile> {};

TEST_P(HostileTemplate, ends_in_an_error) {
  const double begin_s = processor_time_s();
  EXPECT_THAT(outcome(GetParam().source), testing::HasSubstr(GetParam().expected));
  EXPECT_LT(processor_time_s() - begin_s, 20);
}

INSTANTIATE_TEST_SUITE_P(
    Parser, HostileTemplate,
    testing::Values(
        Hostile{"parentheses", "{{ " + repeat("(", 100'000) + "1" + repeat(")", 100'000) + " }}",
                "nested deeper"},
        Hostile{"brackets", "{{ " + repeat("[", 100'000) + repeat("]", 100'000) + " }}", "nested deeper"},
        Hostile{"braces", "{{ " + repeat("{1:", 100'000) + "1" + repeat("}", 100'000) + " }}", "nested deeper"},
        Hostile{"signs", "{{ " + repeat("-", 100'000) + "1 }}", "nested deeper"},
        Hostile{"negations", "{{ " + repeat("not ", 100'000) + "1 }}", "nested deeper"},
        Hostile{"conditions", "{{ " + repeat("1 if 0 else ", 100'000) + "1 }}", "nested deeper"},
        Hostile{"filters", "{{ 1" + repeat("|string", 100'000) + " }}", "in a row"},
        Hostile{"lookups", "{{ s" + repeat(".s", 100'000) + " }}", "in a row"},
        Hostile{"calls", "{{ s" + repeat("()", 100'000) + " }}", "in a row"},
        Hostile{"blocks", repeat("{% if 1 %}", 100'000) + repeat("{% endif %}", 100'000), "nested deeper"},
        Hostile{"targets", "{% set " + repeat("(", 100'000) + "a" + repeat(")", 100'000) + " = 1 %}",
                "nested deeper"},
        Hostile{"size", std::string(5 << 20, 'x'), "at most"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Interpreter, HostileTemplate,
    testing::Values(
        Hostile{"recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "macros call each other"},
        Hostile{"nested_recursion",
                "{% macro m(x) %}{% if 1 %}{% for i in [1] %}{% set y = [((1, {'k': m(x) ~ 1}))] %}"
                "{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}",
                "recurses too deeply"},
        Hostile{"mutual_recursion",
                "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
                "macros call each other"},
        Hostile{"recursive_loop", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "too deeply"},
        Hostile{"caller_recursion",
                "{% macro m() %}{% call m() %}x{% endcall %}{{ caller() }}{% endmacro %}"
                "{% call m() %}y{% endcall %}",
                "deep"},
        Hostile{"map_recursion",
                "{% macro m() %}{{ [1] | map(attribute='x', default=m()) | list }}{% endmacro %}{{ m() }}",
                "deep"},
        Hostile{"range", "{% for i in range(10**9) %}{% endfor %}", "Range too big"},
        Hostile{"huge_range", "{{ range(-2**62, 2**62) }}", "Range too big"},
        Hostile{"steps", "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                "too many steps"},
        Hostile{"string_product", "{{ 'x' * 10**12 }}", "more than"},
        Hostile{"string_product_in_bounds", "{{ 'x' * 10**9 }}", "more than"},
        Hostile{"list_product", "{{ [1] * 10**9 }}", "more than"},
        Hostile{
            "doubling",
            "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "more than"},
        Hostile{
            "list_doubling",
            "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "too"},
        Hostile{"output", "{% set x = 'x' * 1000000 %}{% for i in range(100) %}{{ x }}{% endfor %}",
                "more than"},
        Hostile{"replace", "{% set x = ('x' * 100000).replace('x', 'y' * 100000) %}", "more than"},
        Hostile{"join", "{{ ('x' * 100000).join('y' * 100000) }}", "more than"},
        Hostile{"padding", "{{ 'x'.ljust(10**12) }}", "more than"},
        Hostile{"format_width", "{{ '%1000000000d' % 1 }}", "too large"},
        Hostile{"format_precision", "{{ '{:.999999999f}'.format(1.5) }}", "too large"},
        Hostile{"power", "{{ 9 ** 9 ** 9 }}", "too large"},
        Hostile{"overflow", "{{ 9223372036854775807 + 1 }}", "too large"},
        Hostile{"negation_overflow", "{{ -(-9223372036854775807 - 1) }}", "too large"},
        Hostile{"division_overflow", "{{ (-9223372036854775807 - 1) // -1 }}", "too large"},
        Hostile{"nested_list_printed",
                "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}"
                "{{ ns.x }}",
                "nested too deeply"},
        Hostile{"nested_list_as_json",
                "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}"
                "{{ ns.x | tojson }}",
                "nested too deeply"},
        Hostile{"nested_lists_compared",
                "{% set ns = namespace(x=[], y=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}"
                "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
                "nested deeper"},
        Hostile{"doubled_lists_compared",
                "{% set ns = namespace(x=[], y=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
                "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
                "too many steps"},
        Hostile{
            "doubled_list_printed",
            "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
            "{{ ns.x }}",
            "more than"},
        Hostile{
            "doubled_key",
            "{% set ns = namespace(x=()) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}"
            "{{ {ns.x: 1} }}",
            "unhashable"},
        Hostile{"endless_namespace", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
                "nested too deeply"}),
    [](const auto& info) { return info.param.name; });

TEST(Limits, a_chain_of_operators_is_not_nesting) {
  EXPECT_EQ(outcome("{{ 0" + repeat(" + 1", 20'000) + " }}"), "rendered 5 bytes");
  EXPECT_EQ(outcome("{{ ''" + repeat(" ~ 'a'", 20'000) + " }}"), "rendered 20000 bytes");
  EXPECT_EQ(outcome("{% if 0 %}" + repeat("{% elif 0 %}", 20'000) + "{% else %}x{% endif %}"),
            "rendered 1 bytes");
}

TEST(Limits, macros_may_nest_as_deep_as_real_schemas) {
  EXPECT_EQ(outcome("{% macro m(x) %}{% if x %}{% for i in [x] %}{% if i is number %}<{{ m(i - 1) }}>{% endif "
                    "%}{% endfor %}"
                    "{% endif %}{% endmacro %}{{ m(40) }}"),
            "rendered 80 bytes");
}

TEST(Limits, a_namespace_that_holds_itself_is_freed) {
  EXPECT_EQ(outcome("{% set ns = namespace() %}{% set ns.x = ns %}{% set ns.y = [ns] %}ok"),
            "rendered 2 bytes");
}

TEST(Limits, a_message_of_a_megabyte_takes_little_time) {
  const std::string content = repeat("naïve <|im_end|> text\n", 45'000);
  ASSERT_GT(content.size(), 1'000'000u);
  const Template tree = parse_template(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim | replace('x', 'y') + "
      "'<|im_end|>' }}"
      "{% if '</think>' in m.content %}{{ m.content.split('</think>')[-1].lstrip('\n') }}{% endif %}"
      "{{ m.content[:-1] | length }}{{ m | tojson }}{% endfor %}");
  const double begin_s = processor_time_s();
  Interpreter interpreter(tree, {}, 0);
  const Json messages = {{{"role", "user"}, {"content", content}}};
  interpreter.set_global("messages", interpreter.heap().from_json(messages));
  EXPECT_GT(interpreter.render().size(), 2 * content.size());
  EXPECT_LT(processor_time_s() - begin_s, 2);
}

}  // namespace
}  // namespace tandem::text::jinja
