#include "tandem/text/jinja/text.h"

#include <gtest/gtest.h>

namespace tandem::text::jinja {
namespace {

using Ranges = std::vector<Range>;

Text mixed() {
  TextBuilder builder;
  builder.append("ab");
  builder.append("cd", Origin::kRequest);
  builder.append("ef");
  builder.append("gh", Origin::kRequest);
  return builder.take();
}

TEST(Text, neighbours_of_one_origin_share_a_range) {
  TextBuilder builder;
  builder.append("a", Origin::kRequest);
  builder.append("", Origin::kTemplate);
  builder.append("b", Origin::kRequest);
  EXPECT_EQ(builder.take().request(), (Ranges{{0, 2}}));
}

TEST(Text, a_slice_keeps_the_origins_of_its_bytes) {
  EXPECT_EQ(mixed().slice(3, 7).request(), (Ranges{{0, 1}, {3, 4}}));
  EXPECT_EQ(mixed().slice(2, 4).request(), (Ranges{{0, 2}}));
  EXPECT_EQ(mixed().slice(4, 6).request(), Ranges{});
  EXPECT_EQ(mixed().slice(5, 5).request(), Ranges{});
}

TEST(Text, tells_the_origin_of_every_byte) {
  std::string origins;
  for (std::size_t i = 0; i < 8; ++i) origins += mixed().origin_at(i) == Origin::kRequest ? 'r' : 't';
  EXPECT_EQ(origins, "ttrrttrr");
}

TEST(Text, runs_cover_it_in_order) {
  std::string runs;
  mixed().for_each_run([&](std::size_t begin, std::size_t end, Origin origin) {
    runs += mixed().bytes().substr(begin, end - begin) + (origin == Origin::kRequest ? "r" : "t") + ";";
  });
  EXPECT_EQ(runs, "abt;cdr;eft;ghr;");
}

TEST(Text, counts_characters_not_bytes) {
  const Text text("aß日😀");
  EXPECT_EQ(text.length(), 4u);
  EXPECT_EQ(text.offset_of(3), 6u);
  EXPECT_EQ(text.offset_of(9), text.size());
  EXPECT_FALSE(text.is_ascii());
}

}  // namespace
}  // namespace tandem::text::jinja
