#include "tandem/stage/stage_options.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tandem/base/error.h"

namespace tandem::stage {
namespace {

std::string refusal(const std::string& line) {
  try {
    parse_stage_options(line);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(StageOptions, are_one_line_of_json) {
  const StageOptions options = parse_stage_options(
      R"({"secret":"00ff","head":"mini1.local","port":12356,"stage":"s3","num_threads":4,"device":"","name":"mini2","new":1})");
  EXPECT_EQ(options.secret.bytes, (Bytes{0x00, 0xff}));
  EXPECT_EQ(options.head, "mini1.local");
  EXPECT_EQ(options.port, 12356);
  EXPECT_EQ(options.stage, "s3");
  EXPECT_EQ(options.num_threads, 4);
  EXPECT_EQ(options.device, "auto") << "empty is unset";
  EXPECT_EQ(options.name, "mini2");
}

TEST(StageOptions, bad_ones_are_refused_by_field_and_never_show_the_secret) {
  const struct {
    const char* line;
    const char* says;
  } cases[] = {
      {"", "not valid JSON"},
      {"[1]", "not a JSON object"},
      {R"({"head":"h","stage":"s"})", "\"secret\" is missing"},
      {R"({"secret":"beef0","head":"h","stage":"s"})", "\"secret\" must be hexadecimal"},
      {R"({"secret":"beef","stage":"s"})", "\"head\" is missing"},
      {R"({"secret":"beef","head":"h","stage":"s","port":65536})", "\"port\" is 65536"},
      {R"({"secret":"beef","head":"h","stage":"s","num_threads":"2"})",
       "\"num_threads\" is of another type"},
  };
  for (const auto& test : cases) {
    EXPECT_NE(refusal(test.line).find(test.says), std::string::npos)
        << test.line << ": " << refusal(test.line);
    EXPECT_EQ(refusal(test.line).find("beef"), std::string::npos);
  }
}

TEST(StageOptions, reading_takes_one_line_and_no_byte_more) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "first\nrest", 10), 10);
  EXPECT_EQ(read_first_line(ends[0]), "first");
  char rest[5] = {};
  EXPECT_EQ(::read(ends[0], rest, 4), 4);
  EXPECT_STREQ(rest, "rest");
  ::close(ends[1]);
  EXPECT_THROW(read_first_line(ends[0]), Error);
  ::close(ends[0]);
}

}  // namespace
}  // namespace tandem::stage
