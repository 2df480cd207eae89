#include "server/scheduler/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gild {
namespace {

using ::testing::ElementsAre;

class SessionsTest : public testing::Test {
 protected:
  // A task of it that has not ended.
  Sessions::Session* Begin(const std::string& name, int64_t now_ns = 0, int slot = 0) {
    forgotten_.reset();
    Sessions::Session* const session = sessions_.Begin({"", name}, now_ns, &forgotten_);
    session->slot = slot;
    return session;
  }
  // The number of the session.
  uint64_t Use(const std::string& name, int64_t now_ns = 0, int slot = 0) {
    Sessions::Session* const session = Begin(name, now_ns, slot);
    sessions_.End(session, "io-0#1", now_ns);
    return session->number();
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const SessionSnapshot& session : sessions_.Snapshot(0).live) names.push_back(session.session);
    return names;
  }

  Sessions sessions_{{.sessions = 2, .idle_ns = 100}};
  std::optional<Sessions::Forgotten> forgotten_;
};

TEST_F(SessionsTest, ANameKeepsItsNumberWhileItLives) {
  EXPECT_EQ(sessions_.Find({"", "a"}), nullptr);
  const uint64_t a = Use("a");
  EXPECT_NE(a, 0u);
  EXPECT_EQ(Use("a"), a);
  EXPECT_NE(Use("b"), a);
  EXPECT_EQ(sessions_.Find({"", "a"})->number(), a);
}

TEST_F(SessionsTest, OneThatIsIdleForTooLongIsForgotten) {
  const uint64_t a = Use("a", 0, /*slot=*/3);
  EXPECT_FALSE(sessions_.ForgetIdle(99));
  const auto forgotten = sessions_.ForgetIdle(100);
  ASSERT_TRUE(forgotten);
  EXPECT_EQ(forgotten->number, a);
  EXPECT_EQ(forgotten->slot, 3);
  EXPECT_FALSE(sessions_.ForgetIdle(100)) << "each once";
  EXPECT_EQ(sessions_.Find({"", "a"}), nullptr);
  EXPECT_EQ(sessions_.Snapshot(100).forgotten_idle, 1u);
  EXPECT_NE(Use("a", 101), a) << "a new one under the old name";
}

TEST_F(SessionsTest, OneNameOfTwoPrincipalsIsTwoSessions) {
  const uint64_t anonymous = Use("a");
  Sessions::Session* const hers = sessions_.Begin({"ann", "a"}, 0, &forgotten_);
  EXPECT_NE(hers->number(), anonymous);
  EXPECT_EQ(sessions_.Find({"ann", "a"}), hers);
  EXPECT_EQ(sessions_.Find({"", "a"})->number(), anonymous);
}

TEST_F(SessionsTest, ThoseOfASlotThatIsAnothersHaveNone) {
  Use("a", 0, /*slot=*/3);
  Use("b", 0, /*slot=*/1);
  sessions_.LeaveSlot(3);
  EXPECT_EQ(sessions_.Find({"", "a"})->slot, -1);
  EXPECT_EQ(sessions_.Find({"", "b"})->slot, 1);
}

TEST_F(SessionsTest, AUseBeginsTheIdleTimeAnew) {
  Use("a", 0);
  Use("b", 10);
  Use("a", 50);
  ASSERT_TRUE(sessions_.ForgetIdle(120)) << "b";
  EXPECT_THAT(Names(), ElementsAre("a"));
  EXPECT_FALSE(sessions_.ForgetIdle(149));
  EXPECT_TRUE(sessions_.ForgetIdle(150));
}

TEST_F(SessionsTest, OneWithAnActiveTaskIsNotIdle) {
  Sessions::Session* const a = Begin("a", 0);
  Begin("a", 0);
  sessions_.End(a, "io-0#1", 10);
  EXPECT_FALSE(sessions_.ForgetIdle(1000));
  sessions_.End(a, "io-0#1", 1000);
  EXPECT_FALSE(sessions_.ForgetIdle(1099));
  EXPECT_TRUE(sessions_.ForgetIdle(1100));
}

TEST_F(SessionsTest, TheOneIdleForTheLongestMakesRoom) {
  const uint64_t a = Use("a", 0);
  Use("b", 1);
  EXPECT_FALSE(forgotten_);
  Use("c", 2);
  ASSERT_TRUE(forgotten_);
  EXPECT_EQ(forgotten_->number, a);
  EXPECT_THAT(Names(), ElementsAre("c", "b"));
  EXPECT_EQ(sessions_.Snapshot(2).forgotten_full, 1u);
}

TEST_F(SessionsTest, WithoutAnIdleOneThereIsNoRoom) {
  Sessions::Session* const a = Begin("a");
  EXPECT_TRUE(sessions_.HasRoom());
  Begin("b");
  EXPECT_FALSE(sessions_.HasRoom());
  sessions_.End(a, "", 0);
  EXPECT_TRUE(sessions_.HasRoom());
}

TEST_F(SessionsTest, AsManyAsMayLiveMayBeOnTheirWayOut) {
  for (const char* name : {"a", "b", "c", "d"}) Use(name);
  EXPECT_FALSE(sessions_.HasRoom()) << "a and b are not gone yet";
  EXPECT_FALSE(sessions_.ForgetIdle(1000));
  sessions_.Gone(1);
  EXPECT_TRUE(sessions_.HasRoom());
  EXPECT_TRUE(sessions_.ForgetIdle(1000));
  EXPECT_FALSE(sessions_.ForgetIdle(1000));
}

TEST_F(SessionsTest, OneThatNoInterpreterKnowsIsGoneAtOnce) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Use(name, 0, /*slot=*/-1);
  EXPECT_TRUE(sessions_.HasRoom());
  EXPECT_EQ(forgotten_->slot, -1);
}

TEST_F(SessionsTest, GlobalsLostWithTheirInterpreterAreToldOnce) {
  Sessions::Session* const a = Begin("a");
  for (int i = 0; i < 5; ++i) Begin("a");
  EXPECT_FALSE(sessions_.End(a, "", 0)) << "it never began";
  EXPECT_FALSE(sessions_.End(a, "io-0#1", 0)) << "the first";
  EXPECT_FALSE(sessions_.End(a, "io-0#1", 0));
  EXPECT_TRUE(sessions_.End(a, "io-0#3", 0));
  EXPECT_FALSE(sessions_.End(a, "io-0#3", 0));
  EXPECT_FALSE(sessions_.End(a, "", 0));
}

TEST_F(SessionsTest, TheSnapshotHasTheActiveFirstAndThenTheLastUsed) {
  Sessions sessions({.sessions = 9, .idle_ns = 100});
  for (const auto& [name, at_ns] : {std::pair("old", 1), std::pair("new", 5), std::pair("busy", 0)}) {
    Sessions::Session* const session = sessions.Begin({"", name}, at_ns, &forgotten_);
    if (at_ns == 0) continue;
    session->slot = 2;
    sessions.End(session, "io-2#1", at_ns);
  }
  const std::vector<SessionSnapshot> live = sessions.Snapshot(7).live;
  ASSERT_EQ(live.size(), 3u);
  EXPECT_EQ(live[0].session, "busy");
  EXPECT_EQ(live[0].slot, "");
  EXPECT_EQ(live[0].active, 1);
  EXPECT_FALSE(live[0].idle_ns);
  EXPECT_EQ(live[1].session, "new");
  EXPECT_EQ(live[1].slot, "io-2");
  EXPECT_EQ(live[1].tasks, 1u);
  EXPECT_EQ(live[1].active, 0);
  EXPECT_EQ(live[1].idle_ns, 2);
  EXPECT_EQ(live[2].session, "old");
  EXPECT_EQ(live[2].idle_ns, 6);
}

}  // namespace
}  // namespace gild
