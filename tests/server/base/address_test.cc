#include "server/base/address.h"

#include <gtest/gtest.h>

namespace gild {
namespace {

TEST(AddressTest, HostAndPortAreTakenApart) {
  EXPECT_EQ(SplitHostPort("127.0.0.1:80")->host, "127.0.0.1");
  EXPECT_EQ(SplitHostPort("127.0.0.1:80")->port, "80");
  EXPECT_EQ(SplitHostPort("[::1]:0")->host, "::1");
  EXPECT_EQ(SplitHostPort("here:65535")->host, "here");
  EXPECT_EQ(SplitHostPort(":1")->host, "");
}

TEST(AddressTest, WhatIsNoAddressIsNothing) {
  for (const char* bad : {"", "here", "here:", "here:http", "here:65536", "here:-1", "::1:80", "[::1:80", "[::1]"}) {
    EXPECT_FALSE(SplitHostPort(bad)) << bad;
  }
}

}  // namespace
}  // namespace gild
