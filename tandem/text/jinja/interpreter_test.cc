// A table of what templates may say; tests/python/test_chat_template.py holds a larger one against jinja2
// itself.
#include "tandem/text/jinja/interpreter.h"

#include <gtest/gtest.h>

#include <thread>

#include "tandem/base/error.h"
#include "tandem/text/jinja/parser.h"

namespace tandem::text::jinja {
namespace {

Json variables() {
  return Json::parse(
      R"({"n": 7, "s": "Hello", "l": [3, 1, 2], "d": {"b": 1, "a": [null, true, 0.5]}, "u": "Grüße"})");
}

Text render_text(std::string_view source) {
  const Template tree = parse_template(source);
  Interpreter interpreter(tree, {}, 0);
  const Json values = variables();
  for (const auto& [name, value] : values.items())
    interpreter.set_global(name, interpreter.heap().from_json(value));
  return interpreter.render();
}

std::string render(std::string_view source) { return render_text(source).bytes(); }

std::string failure(std::string_view source) {
  try {
    return "no failure, but: " + render(source);
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
}

struct Case {
  const char* source;
  const char* expected;
};

class Rendering : public testing::TestWithParam<Case> {};

TEST_P(Rendering, prints) { EXPECT_EQ(render(GetParam().source), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(
    Expressions, Rendering,
    testing::Values(Case{"{{ 1 + 2 * 3 }}", "7"}, Case{"{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }}", "-4 2 3.5"},
                    Case{"{{ 2 ** 3 ** 2 }}", "64"}, Case{"{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }}", "True False"},
                    Case{"{{ 'a' ~ 1 ~ none }}", "a1None"}, Case{"{{ l[::-1] }} {{ u[2:4] }}", "[2, 1, 3] üß"},
                    Case{"{{ d }}", "{'b': 1, 'a': [None, True, 0.5]}"},
                    Case{"{{ d | tojson }}", R"({"b": 1, "a": [null, true, 0.5]})"},
                    Case{"{{ {'a': {'b': 1}}['a']['b'] }}", "1"}, Case{"{{ missing }}|{{ d.missing }}", "|"},
                    Case{"{{ 'yes' if n is odd and s is string else 'no' }}", "yes"},
                    Case{"{{ l | sort | join(',') }} {{ s | upper }}", "1,2,3 HELLO"},
                    Case{"{{ '%s-%03d' % (s, n) }} {{ '{:>4}'.format(n) }}", "Hello-007    7"},
                    Case{"{{ 1e16 }} {{ 0.1 + 0.2 }} {{ 100.0 }}", "1e+16 0.30000000000000004 100.0"}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Rendering,
    testing::Values(
        Case{"{% for x in l if x > 1 %}{{ loop.index }}:{{ x }}{{ ',' if not loop.last }}{% endfor %}",
             "1:3,2:2"},
        Case{"{% for k, v in d.items() %}{{ k }}{% else %}none{% endfor %}", "ba"},
        Case{"{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
             "6"},
        Case{"{% for i in l %}{% set y = i %}{% endfor %}{{ y is defined }}", "False"},
        Case{"{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(b=3, a=4) }}", "1243"},
        Case{"{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}x{% endcall %}", "(x)"},
        Case{"{% for x in range(9) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% "
             "endif %}{{ x }}"
             "{% endfor %}",
             "013"},
        Case{"{% set x | upper %}a{{ n }}{% endset %}[{{ x }}]", "[A7]"},
        Case{"{% generation %}a{% endgeneration %}{% filter upper %}b{% endfilter %}", "aB"}));

INSTANTIATE_TEST_SUITE_P(WhiteSpace, Rendering,
                         testing::Values(Case{"a\n  {% if n %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc"},
                                         Case{"a  {%- if n -%}  b  {%- endif -%}  c", "abc"},
                                         Case{"a\n  {%+ if n +%}\nb{% endif %}", "a\n  \nb"},
                                         Case{"a {{- n -}} b", "a7b"}, Case{"{# x #}\na\r\nb\r\n", "a\nb"},
                                         Case{"{% raw %}{{ x }}{% endraw %}", "{{ x }}"}));

TEST(Interpreter, names_the_line_of_a_failure) {
  EXPECT_EQ(failure("a\n\n{{ missing.x }}"), "invalid_argument: chat template, line 3: 'missing' is undefined");
  EXPECT_EQ(failure("{{ 1 + 'a' }}"),
            "invalid_argument: chat template, line 1: unsupported operand type(s) for +: 'int' and 'str'");
}

TEST(Interpreter, passes_on_the_words_of_raise_exception) {
  EXPECT_EQ(failure("{{ raise_exception('Roles must alternate') }}"), "invalid_argument: Roles must alternate");
}

TEST(Interpreter, names_line_and_column_of_a_syntax_error) {
  EXPECT_EQ(failure("ab\n{% if x %}\n{{ 1 + }}"),
            "corrupt: chat template, line 3, column 8: expected an expression, got '}}'");
  EXPECT_EQ(failure("{% nope %}"), "corrupt: chat template, line 1, column 4: unknown or misplaced tag 'nope'");
  EXPECT_EQ(failure("\xff"), "corrupt: chat template, line 1, column 1: the template is not valid UTF-8");
}

TEST(Interpreter, an_unknown_filter_fails_only_where_it_is_reached) {
  EXPECT_EQ(render("{% if false %}{{ s | from_json }}{% endif %}ok"), "ok");
  EXPECT_EQ(failure("{{ s | from_json }}"),
            "invalid_argument: chat template, line 1: no filter named 'from_json'");
}

TEST(Interpreter, the_sandbox_keeps_values_as_they_are) {
  EXPECT_EQ(
      failure("{{ l.append(1) }}"),
      "invalid_argument: chat template, line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(render("{{ s.__class__ is defined }}"), "False");
}

TEST(Interpreter, follows_request_text) {
  const Text text = render_text("<s>{{ s[1:3] | upper ~ 'x' }}{{ l }}");
  EXPECT_EQ(text.bytes(), "<s>ELx[3, 1, 2]");
  EXPECT_EQ(text.request(), (std::vector<Range>{{3, 5}, {6, 15}}));
}

TEST(Interpreter, threads_share_a_template) {
  const Template tree =
      parse_template("{% macro m(x) %}{{ x }}{% endmacro %}{% for i in range(50) %}{{ m(i) }}{% endfor %}");
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::string& text : texts) {
    threads.emplace_back([&tree, &text] { text = Interpreter(tree, {}, 0).render().bytes(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, texts[0]);
  EXPECT_EQ(texts[0].size(), 90u);
}

}  // namespace
}  // namespace tandem::text::jinja
