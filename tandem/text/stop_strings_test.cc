#include "tandem/text/stop_strings.h"

#include <gtest/gtest.h>

#include <ctime>

namespace tandem::text {
namespace {

TEST(StopStrings, finds_a_stop_across_pieces_and_gives_out_what_stands_before) {
  StopStrings stops({"\nUser:"});
  EXPECT_EQ(stops.push("Hello\n").text, "Hello");
  EXPECT_EQ(stops.push("Us").text, "");
  const StopStrings::Output end = stops.push("er: hi");
  EXPECT_TRUE(end.stopped);
  EXPECT_EQ(end.text, "");
  EXPECT_EQ(end.matched, "\nUser:");
}

TEST(StopStrings, gives_out_what_turned_out_not_to_be_a_stop) {
  StopStrings stops({"abcx"});
  EXPECT_EQ(stops.push("ab").text, "");
  EXPECT_EQ(stops.push("cab").text, "abc");
  EXPECT_EQ(stops.finish(), "ab");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, takes_the_stop_that_ends_first_and_the_longer_of_two) {
  StopStrings first({"world", "lo"});
  const auto a = first.push("hello world");
  EXPECT_EQ(a.matched, "lo");
  EXPECT_EQ(a.text, "hel");
  StopStrings longer({"c", "abc"});
  const auto b = longer.push("xabcd");
  EXPECT_EQ(b.matched, "abc");
  EXPECT_EQ(b.text, "x");
}

TEST(StopStrings, finds_a_stop_that_overlaps_its_own_beginning) {
  StopStrings stops({"aab"});
  EXPECT_EQ(stops.push("aaa").text, "a");
  const auto end = stops.push("b");
  EXPECT_TRUE(end.stopped);
  EXPECT_EQ(end.text, "");
}

TEST(StopStrings, includes_the_stop_when_asked) {
  StopStrings stops({"END"}, /*include_in_output=*/true);
  EXPECT_EQ(stops.push("the E").text, "the ");
  const auto end = stops.push("ND.");
  EXPECT_EQ(end.text, "END");
  EXPECT_TRUE(end.stopped);
}

TEST(StopStrings, holds_back_nothing_without_stops) {
  StopStrings stops({"", ""});
  EXPECT_EQ(stops.push("text").text, "text");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, agrees_with_a_search_of_the_whole_text) {
  // All texts of 8 letters from {a, b}, pushed letter by letter.
  const std::vector<std::string> all = {"aba", "bb", "aaab"};
  for (int bits = 0; bits < 256; ++bits) {
    std::string text;
    for (int i = 0; i < 8; ++i) text += (bits >> i & 1) ? 'b' : 'a';
    std::size_t end = std::string::npos, size = 0;
    for (const std::string& stop : all) {
      const std::size_t at = text.find(stop);
      if (at == std::string::npos || at + stop.size() > end) continue;
      size = at + stop.size() < end ? stop.size() : std::max(size, stop.size());
      end = at + stop.size();
    }
    StopStrings stops(all);
    std::string out;
    bool stopped = false;
    for (std::size_t i = 0; i < text.size() && !stopped; ++i) {
      const auto output = stops.push(text.substr(i, 1));
      out += output.text;
      stopped = output.stopped;
    }
    if (!stopped) out += stops.finish();
    EXPECT_EQ(stopped, end != std::string::npos) << text;
    EXPECT_EQ(out, text.substr(0, stopped ? end - size : text.size())) << text;
  }
}

TEST(StopStrings, is_linear_for_stops_that_nearly_match_everywhere) {
  StopStrings stops({std::string(10'000, 'a') + "b"});
  const std::clock_t begin = std::clock();
  for (int i = 0; i < 100'000; ++i) stops.push("aaaa");
  EXPECT_LT(std::clock() - begin, 2 * CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace tandem::text
