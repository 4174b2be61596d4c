#include "tandem/api/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace tandem::api {
namespace {

TEST(WorkPool, refuses_beyond_its_jobs_and_bytes) {
  WorkPool pool(1, /*max_jobs=*/2, /*max_bytes=*/100);
  std::promise<void> started, release;
  auto released = release.get_future();
  ASSERT_TRUE(pool.entrance().post([&] {
    started.set_value();
    released.wait();
  }));
  started.get_future().wait();  // it runs, so it waits no longer
  EXPECT_FALSE(pool.entrance().post([] {}, 101));
  EXPECT_TRUE(pool.entrance().post([] {}, 60));
  EXPECT_FALSE(pool.entrance().post([] {}, 60));
  EXPECT_TRUE(pool.entrance().post([] {}, 40));
  EXPECT_FALSE(pool.entrance().post([] {}));
  release.set_value();
}

TEST(WorkPool, a_job_that_throws_ends_no_thread) {
  WorkPool pool(1, 8, 8);
  pool.entrance().post([] { throw std::runtime_error("x"); });
  std::promise<void> done;
  pool.entrance().post([&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(WorkPool, an_entrance_may_outlive_its_pool_and_jobs_that_waited_are_freed) {
  auto held = std::make_shared<int>(0);
  std::unique_ptr<WorkPool> pool = std::make_unique<WorkPool>(1, 8, 8);
  const WorkPool::Entrance entrance = pool->entrance();
  pool->entrance().post([held] {});
  pool.reset();
  EXPECT_FALSE(entrance.post([held] {}));
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace tandem::api
