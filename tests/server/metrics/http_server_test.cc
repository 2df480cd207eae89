#include "server/metrics/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "server/base/unique_fd.h"

namespace gild {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = HttpServer::Start(
        "127.0.0.1:0", {{"/healthz", [] { return HttpReply{.body = "ok\n"}; }},
                        {"/readyz", [] { return HttpReply{.status = 503, .body = "io: no interpreter\n"}; }}});
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = std::move(*started);
  }

  UniqueFd Connect() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  // The whole answer to `request`, which asks for the connection to be closed.
  std::string Ask(const std::string& request) {
    const UniqueFd fd = Connect();
    const std::string text = request + "\r\nHost: x\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    std::string answer;
    char piece[1024];
    ssize_t got;
    while ((got = read(fd.get(), piece, sizeof piece)) > 0) answer.append(piece, got);
    return answer;
  }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, PortZeroTakesAFreeOne) { EXPECT_GT(server_->port(), 0); }

TEST_F(HttpServerTest, AHandlersReplyIsAnswered) {
  const std::string answer = Ask("GET /healthz HTTP/1.1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nok\n"));
}

TEST_F(HttpServerTest, AQueryIsNoPartOfThePath) {
  EXPECT_THAT(Ask("GET /healthz?verbose=1 HTTP/1.1"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, TheStatusIsTheHandlers) {
  const std::string answer = Ask("GET /readyz HTTP/1.1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(answer, EndsWith("io: no interpreter\n"));
}

TEST_F(HttpServerTest, AnUnknownPathIs404AndNamesTheKnown) {
  const std::string answer = Ask("GET / HTTP/1.1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(answer, EndsWith("not found; there is /healthz /readyz\n"));
}

TEST_F(HttpServerTest, OnlyGetAndHeadAreAllowed) {
  const std::string answer = Ask("POST /healthz HTTP/1.1\r\nContent-Length: 0");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(HttpServerTest, HeadIsGetWithoutTheBody) {
  const std::string answer = Ask("HEAD /healthz HTTP/1.1");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, IdleConnectionsDoNotStarveOthers) {
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 50; ++i) idle.push_back(Connect());
  EXPECT_THAT(Ask("GET /healthz HTTP/1.1"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AnUsedPortIsUnavailable) {
  const auto second = HttpServer::Start("127.0.0.1:" + std::to_string(server_->port()), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HttpServerTest, ABadAddressIsInvalid) {
  EXPECT_EQ(HttpServer::Start("nonsense", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(HttpServer::Start("127.0.0.1:http", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(HttpServerTest, AnIpv6AddressStandsInBrackets) {
  const auto server = HttpServer::Start("[::1]:0", {});
  // A machine without IPv6 refuses the address, and nothing else.
  EXPECT_NE(server.status().code(), absl::StatusCode::kInvalidArgument) << server.status();
}

}  // namespace
}  // namespace gild
