// HttpServer answers GET on a few fixed paths: /metrics, /healthz, /readyz. Small, bounded, and on a thread of its own,
// so that it answers while everything else is busy.
//
// Thread rule: handlers are called on the server's one thread and must not block; an answer never waits for a lock that
// is held over I/O. Destroying it ends the thread and every connection. No limit per address: behind a proxy all share
// one.
//
//   auto http = HttpServer::Start("127.0.0.1:0", {{"/healthz", [] { return HttpReply{200, "text/plain", "ok\n"}; }}});
//   if (http.ok()) Print((*http)->port());
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct MHD_Daemon;

namespace gild {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  using Handlers = std::map<std::string, std::function<HttpReply()>>;  // by path

  // `address`: "host:port", "[v6]:port"; port 0 takes a free one. UNAVAILABLE when the port is in use.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address, Handlers handlers);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }

  // What a GET of `path` answers; for HttpServer's own use and for tests.
  HttpReply Answer(const std::string& method, const std::string& path) const;

 private:
  explicit HttpServer(Handlers handlers) : handlers_(std::move(handlers)) {}

  const Handlers handlers_;
  int port_ = 0;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace gild
