#include "tandem/base/json.h"

#include <gtest/gtest.h>

#include <ctime>

#include "tandem/base/error.h"

namespace tandem {
namespace {

TEST(Json, objects_keep_the_order_of_their_keys) {
  const Json value = parse_json(R"({"z":1,"a":{"y":[],"b":null},"m":"x"})", "test");
  EXPECT_EQ(dump_json(value), R"({"z":1,"a":{"y":[],"b":null},"m":"x"})");
  Json copy = value;
  copy["b"] = 2;
  copy.erase("z");
  EXPECT_EQ(dump_json(copy), R"({"a":{"y":[],"b":null},"m":"x","b":2})");
  EXPECT_EQ(value.at("z"), 1);
}

TEST(Json, equality_does_not_depend_on_order) {
  EXPECT_EQ(parse_json(R"({"a":1,"b":2})", "test"), parse_json(R"({"b":2,"a":1})", "test"));
  EXPECT_NE(parse_json(R"({"a":1,"b":2})", "test"), parse_json(R"({"b":2,"a":2})", "test"));
}

TEST(Json, the_last_of_equal_keys_wins) {
  EXPECT_EQ(dump_json(parse_json(R"({"a":1,"b":2,"a":3})", "test")), R"({"a":3,"b":2})");
}

TEST(Json, an_object_of_many_keys_is_read_in_little_time) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"" + std::to_string(i) + "\":0,";
  text += "\"end\":1}";
  const std::clock_t begin = std::clock();  // not wall time: the machine may have other work
  EXPECT_EQ(parse_json(text, "test").size(), 200'001u);
  EXPECT_LT(std::clock() - begin, 10 * CLOCKS_PER_SEC);
}

TEST(Json, refuses_depth_and_size_beyond_the_limits) {
  EXPECT_THROW(parse_json(std::string(100, '['), "test"), Error);
  EXPECT_THROW(parse_json("[1,2,3]", "test", {.max_bytes = 3}), Error);
}

}  // namespace
}  // namespace tandem
