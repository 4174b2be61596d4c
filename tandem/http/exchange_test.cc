#include "tandem/http/exchange.h"

#include <gtest/gtest.h>

#include <thread>

namespace tandem::http {
namespace {

class ResponderTest : public ::testing::Test {
 protected:
  Responder make() { return Responder(std::make_shared<Responder::Impl>(mailbox_, exchange_)); }

  int num_notified_ = 0, num_woken_ = 0;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>([this] { ++num_notified_; });
  std::shared_ptr<Exchange> exchange_ = std::make_shared<Exchange>([this] { ++num_woken_; });
};

class EmptySource : public BodySource {
 public:
  Pull pull(std::string&) override { return Pull::kEnd; }
};

TEST_F(ResponderTest, TakesTheFirstAnswerOnly) {
  const Responder responder = make();
  responder.send({201, {}, "first"});
  responder.send({200, {}, "second"});
  responder.stream({}, std::make_shared<EmptySource>())();
  mailbox_->run_all();
  ASSERT_TRUE(exchange_->response);
  EXPECT_EQ(exchange_->response->body, "first");
  EXPECT_FALSE(exchange_->head);
}

TEST_F(ResponderTest, AnswersForItselfWhenTheLastCopyIsDropped) {
  {
    const Responder responder = make();
    const Responder copy = responder;
    mailbox_->run_all();
    EXPECT_FALSE(exchange_->is_answered());
  }
  mailbox_->run_all();
  ASSERT_TRUE(exchange_->response);
  EXPECT_EQ(exchange_->response->status, kDroppedStatus);
}

TEST_F(ResponderTest, MergesWakesUntilTheNetworkThreadHasSeenOne) {
  const Waker wake = make().stream({}, std::make_shared<EmptySource>());
  mailbox_->run_all();
  exchange_->is_ready = false;
  num_woken_ = num_notified_ = 0;
  for (int i = 0; i < 100; ++i) wake();
  EXPECT_EQ(num_notified_, 1);
  mailbox_->run_all();
  EXPECT_TRUE(exchange_->is_ready);
  EXPECT_EQ(num_woken_, 1);
  wake();
  EXPECT_EQ(num_notified_, 2);
}

TEST_F(ResponderTest, CallsGoneOnceAndAtOnceIfItIsTooLate) {
  const Responder responder = make();
  int num_gone = 0;
  responder.on_client_gone([&] { ++num_gone; });
  mailbox_->run_all();
  EXPECT_EQ(num_gone, 0);
  exchange_->finish(/*vanished=*/true);
  exchange_->finish(/*vanished=*/true);
  EXPECT_EQ(num_gone, 1);
  responder.on_client_gone([&] { ++num_gone; });
  mailbox_->run_all();
  EXPECT_EQ(num_gone, 2);
}

TEST_F(ResponderTest, NeverCallsGoneAfterTheAnswer) {
  const Responder responder = make();
  int num_gone = 0;
  responder.on_client_gone([&] { ++num_gone; });
  responder.send({});
  mailbox_->run_all();
  exchange_->finish(/*vanished=*/false);
  responder.on_client_gone([&] { ++num_gone; });
  mailbox_->run_all();
  EXPECT_EQ(num_gone, 0);
}

TEST_F(ResponderTest, LetsGoOfTheSourceAtTheEnd) {
  auto source = std::make_shared<EmptySource>();
  const std::weak_ptr<BodySource> weak = source;
  const Waker wake = make().stream({}, std::move(source));
  mailbox_->run_all();
  EXPECT_FALSE(weak.expired());
  exchange_->finish(/*vanished=*/false);
  EXPECT_TRUE(weak.expired());
  wake();
  mailbox_->run_all();
}

TEST_F(ResponderTest, IsHarmlessAfterTheServerHasGone) {
  const Responder responder = make();
  const Waker wake = make().stream({}, std::make_shared<EmptySource>());
  mailbox_->close();
  num_notified_ = 0;
  wake();
  bool is_gone = false;
  responder.on_client_gone([&] { is_gone = true; });
  EXPECT_TRUE(is_gone);
  responder.send({});
  EXPECT_EQ(num_notified_, 0);
}

TEST(Mailbox, DropsTasksThatPostWhenTheyAreDestroyed) {
  auto mailbox = std::make_shared<Mailbox>([] {});
  auto exchange = std::make_shared<Exchange>([] {});
  auto responder = std::make_shared<Responder>(std::make_shared<Responder::Impl>(mailbox, exchange));
  mailbox->post([held = std::move(responder)] {});
  mailbox->close();
  EXPECT_FALSE(mailbox->post([] {}));
}

TEST(Mailbox, RunsOnAfterATaskThatThrows) {
  Mailbox mailbox([] {});
  bool has_run = false;
  mailbox.post([] { throw std::runtime_error("a task that throws"); });
  mailbox.post([&] { has_run = true; });
  mailbox.run_all();
  EXPECT_TRUE(has_run);
}

}  // namespace
}  // namespace tandem::http
