#include "tandem/api/json_body.h"

#include <gtest/gtest.h>

#include "tandem/api/api_error.h"

namespace tandem::api {
namespace {

/// The param of the refusal; "(accepted)" when there was none.
std::string param_of(std::string_view text) {
  try {
    parse_body(text);
  } catch (const ApiError& e) {
    EXPECT_EQ(e.status(), 400);
    return e.param();
  }
  return "(accepted)";
}

struct Attack {
  const char* name;
  std::string text, param;
};

class BadBodies : public ::testing::TestWithParam<Attack> {};

TEST_P(BadBodies, are_refused_and_name_the_field) {
  EXPECT_EQ(param_of(GetParam().text), GetParam().param);
}

INSTANTIATE_TEST_SUITE_P(
    JsonBody, BadBodies,
    ::testing::Values(
        Attack{"empty", "", ""}, Attack{"blank", " \n", ""},
        Attack{"cut_short", R"({"model":"x)", "model"}, Attack{"no_object", "[1]", ""},
        Attack{"a_number", "7", ""}, Attack{"two_bodies", "{}{}", ""},
        Attack{"nan", R"({"temperature":NaN})", "temperature"},
        Attack{"infinity", R"({"temperature":Infinity})", "temperature"},
        Attack{"minus_infinity", R"({"temperature":-Infinity})", "temperature"},
        Attack{"overflow", R"({"temperature":1e400})", "temperature"},
        Attack{"overflow_inside", R"({"a":[0,{"b":-1e999}]})", "a[1].b"},
        Attack{"leading_zero", R"({"n":01})", "n"}, Attack{"comment", R"({"n":1/*x*/})", "n"},
        Attack{"duplicate_key", R"({"a":1,"a":2})", "a"},
        Attack{"duplicate_key_inside", R"({"messages":[{},{"role":"a","role":"b"}]})",
               "messages[1].role"},
        Attack{"duplicate_key_by_escape", R"({"a":1,"\u0061":2})", "a"},
        Attack{"lone_high_surrogate", R"({"messages":[{"content":"\ud800"}]})",
               "messages[0].content"},
        Attack{"lone_low_surrogate", R"({"messages":[{"content":[{"text":"\udc00x"}]}]})",
               "messages[0].content[0].text"},
        Attack{"swapped_surrogates", R"({"a":"\udc00\ud800"})", "a"},
        Attack{"invalid_utf8", "{\"stop\":[\"ok\",\"\xFF\"]}", "stop[1]"},
        Attack{"overlong_utf8", "{\"a\":\"\xC0\xAF\"}", "a"},
        Attack{"surrogate_in_utf8", "{\"a\":\"\xED\xA0\x80\"}", "a"},
        Attack{"utf8_cut_short", "{\"a\":\"\xE2\x82\"}", "a"},
        Attack{"control_character", "{\"a\":\"\x01\"}", "a"},
        Attack{"raw_nul", std::string("{\"a\":\"\0\"}", 9), "a"}),
    [](const auto& info) { return info.param.name; });

TEST(JsonBody, depth_is_bounded_before_anything_recurses) {
  const auto nested = [](std::size_t levels) {
    return "{\"a\":" + std::string(levels, '[') + std::string(levels, ']') + "}";
  };
  EXPECT_EQ(param_of(nested(63)), "(accepted)");
  EXPECT_EQ(param_of(nested(64)).substr(0, 4), "a[0]");
  EXPECT_EQ(param_of(nested(100'000)).substr(0, 4), "a[0]");
  EXPECT_EQ(param_of("{\"a\":" + std::string(100'000, '[')).substr(0, 4), "a[0]");
}

TEST(JsonBody, values_containers_and_keys_are_bounded) {
  const BodyLimits limits{.max_values = 8, .max_containers = 3, .max_keys = 3};
  EXPECT_THROW(parse_body(R"({"a":[1,2,3,4,5,6,7]})", limits), ApiError);
  EXPECT_THROW(parse_body(R"({"a":[[],[]]})", limits), ApiError);
  EXPECT_THROW(parse_body(R"({"a":1,"b":2,"c":3,"d":4})", limits), ApiError);
  EXPECT_NO_THROW(parse_body(R"({"a":[1,2,3],"b":2,"c":3})", limits));
}

TEST(JsonBody, whole_numbers_are_checked_at_every_edge) {
  const auto refuses = [&](const char* text) {
    const Json body = parse_body(text);
    EXPECT_THROW(Field(body)["n"].as_integer(1, 128), ApiError) << text;
  };
  for (const char* text :
       {R"({"n":0})", R"({"n":129})", R"({"n":1.5})", R"({"n":"1"})", R"({"n":true})",
        R"({"n":[1]})", R"({"n":9223372036854775808})", R"({"n":18446744073709551616})",
        R"({"n":-9223372036854775809})", R"({"n":1e300})", R"({"n":{}})"}) {
    refuses(text);
  }
  const Json good = parse_body(R"({"a":1,"b":128,"c":3.0})");
  EXPECT_EQ(Field(good)["a"].as_integer(1, 128), 1);
  EXPECT_EQ(Field(good)["b"].as_integer(1, 128), 128);
  EXPECT_EQ(Field(good)["c"].as_integer(1, 128), 3);
}

TEST(JsonBody, null_is_absent) {
  const Json body = parse_body(R"({"a":null})");
  EXPECT_FALSE(Field(body)["a"]);
  EXPECT_FALSE(Field(body)["a"]["b"]);
  EXPECT_EQ(Field(body)["a"].integer_or(7, 0, 1), 7);
}

TEST(JsonBody, odd_keys_are_quoted_in_paths_and_cut) {
  EXPECT_EQ(member_path("a", "b"), "a.b");
  EXPECT_EQ(member_path("logit_bias", "x y"), "logit_bias[\"x y\"]");
  EXPECT_EQ(member_path("", "a\n\"b"), "[\"a\\n\\\"b\"]");
  EXPECT_LT(member_path("", std::string(10'000, 'x')).size(), 100u);
}

}  // namespace
}  // namespace tandem::api
