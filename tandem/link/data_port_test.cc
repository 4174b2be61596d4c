#include "tandem/link/data_port.h"

#include <gtest/gtest.h>

#include <thread>

#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

TEST(DataPort, gives_the_token_back_to_whoever_knows_it) {
  DataPort port("127.0.0.1");
  bool met = false;
  std::thread listener([&] { met = port.meet("0123456789abcdef", soon()); });
  EXPECT_EQ(reach_data_port("127.0.0.1", port.port(), "0123456789abcdef", soon()), "");
  listener.join();
  EXPECT_TRUE(met);
}

TEST(DataPort, a_stranger_does_not_take_the_place) {
  DataPort port("127.0.0.1");
  bool met = false;
  std::thread listener([&] { met = port.meet("the token", soon()); });
  EXPECT_NE(reach_data_port("127.0.0.1", port.port(), "some noise", soon()), "");
  EXPECT_EQ(reach_data_port("127.0.0.1", port.port(), "the token", soon()), "");
  listener.join();
  EXPECT_TRUE(met);
}

TEST(DataPort, says_when_nobody_listens_and_gives_up_at_the_deadline) {
  std::uint16_t gone = 0;
  {
    DataPort port("127.0.0.1");
    gone = port.port();
    EXPECT_FALSE(is_port_free("127.0.0.1", gone));
    EXPECT_FALSE(port.meet("nobody comes", now() + std::chrono::milliseconds(20)));
  }
  EXPECT_NE(reach_data_port("127.0.0.1", gone, "token", soon()).find("refused"), std::string::npos);
  EXPECT_TRUE(is_port_free("127.0.0.1", gone));
}

TEST(DataPort, refuses_an_address_of_another_machine) { EXPECT_THROW(DataPort("192.0.2.1"), Error); }

}  // namespace
}  // namespace tandem::link
