#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <random>
#include <thread>

#include "tandem/link/handshake.h"
#include "tandem/link/link.h"
#include "tandem/link/refusals.h"
#include "tandem/link/socket.h"
#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ListenOptions listen_options() {
  ListenOptions options;
  options.frame_limit = any_size;
  return options;
}

ConnectOptions connect_options() {
  ConnectOptions options;
  options.frame_limit = any_size;
  options.handshake_timeout = kSoon;
  return options;
}

Listener listener_on(const std::string& address, std::uint8_t secret = 1) {
  return Listener(address, 0, secret_of(secret), identity_of(Role::kHead, "mini1"), listen_options());
}

Link connect_to(const std::string& host, const Listener& listener, std::uint8_t secret = 1) {
  return connect(host, listener.port(), secret_of(secret), identity_of(Role::kAgent, "mini2"), connect_options());
}

/// A connection without any handshake.
UniqueFd stranger_at(const Listener& listener) {
  const SocketAddress address = resolve("127.0.0.1", listener.port()).front();
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
  if (!socket || ::connect(socket.get(), address.get(), address.size) != 0) {
    throw Error(Code::kIo, "stranger: " + errno_text(errno));
  }
  return socket;
}

/// Everything until the listener closes.
Bytes read_to_end(const UniqueFd& socket) {
  Bytes all;
  std::uint8_t buffer[4096];
  for (ssize_t count; (count = ::recv(socket.get(), buffer, sizeof(buffer), 0)) > 0;) {
    all.insert(all.end(), buffer, buffer + count);
  }
  return all;
}

std::size_t num_open_descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 4096; ++fd) count += ::fcntl(fd, F_GETFD) != -1 ? 1 : 0;
  return count;
}

TEST(Listener, hands_over_links_of_many_that_connect_at_once) {
  Listener listener = listener_on("127.0.0.1");
  std::vector<std::thread> threads;
  std::atomic<int> num_echoed{0};
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      Link link = connect_to("127.0.0.1", listener);
      link.send(1, text_bytes("hello"));
      if (receive_soon(link).payload == text_bytes("hello")) ++num_echoed;
    });
  }
  for (int i = 0; i < 16; ++i) {
    std::optional<Link> link = listener.accept(soon());
    ASSERT_TRUE(link.has_value());
    link->send(1, receive_soon(*link).payload);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_echoed, 16);
}

TEST(Listener, accept_returns_nothing_at_the_deadline_and_after_close) {
  Listener listener = listener_on("127.0.0.1");
  EXPECT_FALSE(listener.accept(now() + 10ms).has_value());
  std::thread closer([&] { listener.close(); });
  EXPECT_FALSE(listener.accept(soon()).has_value());
  closer.join();
}

TEST(Listener, names_address_and_port_that_it_cannot_have) {
  Listener first = listener_on("127.0.0.1");
  const Error error = error_of([&] {
    Listener("127.0.0.1", first.port(), secret_of(1), identity_of(Role::kHead, "mini1"), listen_options());
  });
  EXPECT_EQ(error.code(), Code::kIo);
  EXPECT_THAT(error.what(), HasSubstr("127.0.0.1 port " + std::to_string(first.port()) + ": Address already in use"));
}

TEST(Listener, needs_a_secret) {
  EXPECT_EQ(error_of([] { Listener("127.0.0.1", 0, Secret{}, identity_of(Role::kHead, "mini1"), {}); }).code(),
            Code::kInvalidArgument);
}

TEST(Listener, a_wrong_secret_is_one_sentence_on_both_sides) {
  Listener listener = listener_on("127.0.0.1", 1);
  const auto start = now();
  const Error error = error_of([&] { connect_to("127.0.0.1", listener, 2); });
  EXPECT_LT(now() - start, 1s);
  EXPECT_EQ(error.code(), Code::kUnauthenticated);
  EXPECT_THAT(error.what(), HasSubstr("the secrets differ"));
  EXPECT_THAT(listener.recent_refusals(), ElementsAre("wrong secret from 127.0.0.1 (mini2)"));
}

TEST(Listener, wrong_proofs_of_one_do_not_lock_out_another_behind_the_same_address) {
  Listener listener = listener_on("127.0.0.1");
  std::atomic<bool> stop{false};
  std::vector<std::thread> wrong;
  for (int i = 0; i < 4; ++i) {
    wrong.emplace_back([&] {
      while (!stop) EXPECT_THROW(connect_to("127.0.0.1", listener, 2), Error);
    });
  }
  while (listener.recent_refusals().empty()) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) {
    connect_to("127.0.0.1", listener);
    EXPECT_TRUE(listener.accept(soon()).has_value());
  }
  stop = true;
  for (std::thread& thread : wrong) thread.join();
}

TEST(Listener, takes_a_renewed_secret_without_restart) {
  Listener listener = listener_on("127.0.0.1", 1);
  Link old = connect_to("127.0.0.1", listener, 1);
  std::optional<Link> kept = listener.accept(soon());
  listener.set_secret(secret_of(2));
  EXPECT_EQ(error_of([&] { connect_to("127.0.0.1", listener, 1); }).code(), Code::kUnauthenticated);
  connect_to("127.0.0.1", listener, 2);
  old.send(1, text_bytes("still here"));
  EXPECT_EQ(receive_soon(*kept).payload, text_bytes("still here"));
}

TEST(Listener, tells_another_protocol_version_in_the_clear) {
  Listener listener = listener_on("127.0.0.1");
  Handshake newer(Side::kConnecting, secret_of(1), identity_of(Role::kAgent, "mini2"));
  Bytes hello = newer.take_output();
  hello[8] = 2;
  const UniqueFd socket = stranger_at(listener);
  ASSERT_EQ(::send(socket.get(), hello.data(), hello.size(), 0), static_cast<ssize_t>(hello.size()));
  const Bytes answer = read_to_end(socket);
  ASSERT_GT(answer.size(), 12u);
  EXPECT_EQ(answer[8], kProtocolVersion);
  EXPECT_THAT(listener.recent_refusals(),
              ElementsAre("127.0.0.1: this machine speaks link protocol 1, mini2 speaks 2: install the same tandem on both"));
}

TEST(Listener, answers_nothing_to_what_is_not_tandem) {
  Listener listener = listener_on("127.0.0.1");
  const UniqueFd socket = stranger_at(listener);
  const std::string request = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_GT(::send(socket.get(), request.data(), request.size(), 0), 0);
  EXPECT_THAT(read_to_end(socket), IsEmpty());
  EXPECT_THAT(listener.recent_refusals(), ElementsAre("a connection from 127.0.0.1 that is not tandem's"));
}

TEST(Listener, drops_a_silent_connection_at_the_deadline) {
  ListenOptions options = listen_options();
  options.handshake_timeout = 100ms;
  Listener listener("127.0.0.1", 0, secret_of(1), identity_of(Role::kHead, "mini1"), options);
  const auto start = now();
  EXPECT_THAT(read_to_end(stranger_at(listener)), IsEmpty());
  EXPECT_GE(now() - start, 90ms);
}

TEST(Listener, evicts_the_oldest_silent_connection_first) {
  ListenOptions options = listen_options();
  options.max_half_open = 2;
  options.handshake_timeout = kSoon;
  Listener listener("127.0.0.1", 0, secret_of(1), identity_of(Role::kHead, "mini1"), options);
  const UniqueFd first = stranger_at(listener), second = stranger_at(listener), third = stranger_at(listener);
  EXPECT_THAT(read_to_end(first), IsEmpty());
  std::uint8_t byte;
  EXPECT_EQ(::recv(third.get(), &byte, 1, MSG_DONTWAIT), -1) << "the newest was dropped";
}

// A thousand connections with garbage, halves of hellos, or silence, all open at once as far as the listener lets them.
TEST(Listener, a_thousand_strangers_delay_no_honest_peer_and_leave_no_descriptor) {
  Listener listener = listener_on("127.0.0.1");
  connect_to("127.0.0.1", listener);
  ASSERT_TRUE(listener.accept(soon()).has_value());
  const std::size_t num_before = num_open_descriptors();
  std::chrono::steady_clock::duration slowest{};
  {
    std::mt19937 random(1);
    std::vector<UniqueFd> strangers;
    for (int i = 0; i < 1000; ++i) {
      strangers.push_back(stranger_at(listener));
      Bytes bytes;
      if (i % 3 == 1) {
        bytes.resize(1 + random() % 2000);
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
      } else if (i % 3 == 2) {
        bytes = Handshake(Side::kConnecting, secret_of(2), identity_of(Role::kAgent, "evil")).take_output();
        bytes.resize(random() % bytes.size());
      }
      ::send(strangers.back().get(), bytes.data(), bytes.size(), send_flags());
      if (i % 50 != 49) continue;
      const auto start = now();
      Link link = connect_to("127.0.0.1", listener);
      ASSERT_TRUE(listener.accept(soon()).has_value());
      slowest = std::max(slowest, now() - start);
    }
  }
  EXPECT_LT(slowest, 200ms);
  // The listener notices on its own time that they are gone.
  const auto give_up = soon();
  while (num_open_descriptors() > num_before && now() < give_up) std::this_thread::yield();
  EXPECT_EQ(num_open_descriptors(), num_before);
  EXPECT_LE(listener.recent_refusals().size(), 16u);
}

TEST(Listener, a_unix_socket_is_for_its_owner_and_is_removed) {
  const std::string address = fresh_unix_address(), path = address.substr(5);
  {
    Listener listener = listener_on(address);
    struct stat status;
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    Link link = connect_to(address, listener);
    EXPECT_EQ(link.peer_address(), "unix");
    EXPECT_EQ(error_of([&] { listener_on(address); }).code(), Code::kIo) << "taken from a living listener";
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(Listener, a_unix_socket_that_a_dead_process_left_is_replaced) {
  const std::string address = fresh_unix_address();
  {
    const SocketAddress left = resolve(address, 0).front();
    const UniqueFd socket = open_socket(AF_UNIX, SOCK_STREAM);
    ASSERT_EQ(::bind(socket.get(), left.get(), left.size), 0);
  }
  Listener listener = listener_on(address);
  EXPECT_NO_THROW(connect_to(address, listener));
}

TEST(Listener, does_not_remove_a_file_that_is_no_socket) {
  const std::string address = fresh_unix_address(), path = address.substr(5);
  const UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_THROW(listener_on(address), Error);
  EXPECT_EQ(::unlink(path.c_str()), 0);
}

TEST(Connect, says_that_a_port_refuses) {
  std::uint16_t port;
  {
    Listener listener = listener_on("127.0.0.1");
    port = listener.port();
  }
  const Error error = error_of(
      [&] { connect("127.0.0.1", port, secret_of(1), identity_of(Role::kAgent, "mini2"), connect_options()); });
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("cannot reach 127.0.0.1 port " + std::to_string(port) + ": 127.0.0.1: refused"));
}

TEST(Connect, says_that_a_name_does_not_resolve) {
  const Error error = error_of([&] {
    connect("no-such-machine.invalid", 1, secret_of(1), identity_of(Role::kAgent, "mini2"), connect_options());
  });
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("the name 'no-such-machine.invalid' does not resolve"));
}

TEST(Connect, tries_every_address_of_a_name) {
  // localhost may give ::1 first; the listener is on IPv4 only.
  Listener listener = listener_on("127.0.0.1");
  EXPECT_NO_THROW(connect_to("localhost", listener));
}

TEST(Connect, takes_ipv6_with_and_without_brackets) {
  std::optional<Listener> listener;
  try {
    listener.emplace("::1", 0, secret_of(1), identity_of(Role::kHead, "mini1"), listen_options());
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  EXPECT_EQ(connect_to("::1", *listener).peer_address(), "::1");
  EXPECT_EQ(connect_to("[::1]", *listener).peer_address(), "::1");
}

TEST(Connect, gives_up_on_a_listener_that_never_answers) {
  const UniqueFd silent = open_socket(AF_INET, SOCK_STREAM);
  SocketAddress address = resolve("127.0.0.1", 0).front();
  ASSERT_EQ(::bind(silent.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(silent.get(), 4), 0);
  address = local_address_of(silent.get());
  ConnectOptions options = connect_options();
  options.handshake_timeout = 50ms;
  const std::uint16_t port = ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  const Error error = error_of(
      [&] { connect("127.0.0.1", port, secret_of(1), identity_of(Role::kAgent, "mini2"), options); });
  EXPECT_THAT(error.what(), HasSubstr("did not answer the handshake in time"));
}

TEST(Connect, needs_the_socket_file) {
  const Error error = error_of([&] {
    connect("unix:/no/such/socket", 0, secret_of(1), identity_of(Role::kAgent, "mini2"), connect_options());
  });
  EXPECT_STREQ(error.what(), "cannot reach unix:/no/such/socket: unix: there is no such socket");
}

TEST(Refusals, keep_sixteen_texts_each_once_newest_last) {
  Refusals refusals("link");
  const TimePoint start = now();
  for (int i = 0; i < 20; ++i) refusals.add("from " + std::to_string(i), start);
  refusals.add("from 10", start);
  const std::vector<std::string> recent = refusals.recent();
  ASSERT_EQ(recent.size(), 16u);
  EXPECT_EQ(recent.front(), "from 4");
  EXPECT_EQ(recent.back(), "from 10");
  EXPECT_EQ(std::count(recent.begin(), recent.end(), "from 10"), 1);
}

TEST(Refusals, hold_back_ever_longer_per_address_until_it_was_quiet) {
  Refusals refusals("link");
  const TimePoint start = now();
  for (const auto expected : {0ms, 50ms, 100ms, 200ms, 400ms, 400ms}) {
    EXPECT_EQ(refusals.penalty("192.168.1.9", start), expected);
  }
  EXPECT_EQ(refusals.penalty("192.168.1.10", start), 0ms);
  EXPECT_EQ(refusals.penalty("192.168.1.9", start + 11s), 0ms);
}

}  // namespace
}  // namespace tandem::link
