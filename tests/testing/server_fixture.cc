#include "tests/testing/server_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "google/rpc/status.pb.h"
#include "grpc/grpc.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/testing/command.h"

namespace gild::testing {
namespace {

constexpr auto kPatience = std::chrono::minutes(1);

std::chrono::system_clock::time_point In(int64_t ms) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(ms);
}

void Throw(const std::string& what) { throw std::runtime_error(what); }

void ThrowUnlessOk(const std::string& what, const grpc::Status& status) {
  if (!status.ok()) Throw(what + " failed: " + std::to_string(status.error_code()) + " " + status.error_message());
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) Throw("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

// ---- tasks ----

v1::Value Json(const std::string& text) {
  v1::Value value;
  value.set_json(text);
  return value;
}

v1::Value Raw(const std::string& bytes) {
  v1::Value value;
  value.set_raw(bytes);
  return value;
}

std::string Testcase(const std::string& file) { return ReadFile(std::string(GILD_TESTCASES) + "/" + file); }

v1::Task Script(v1::Tag tag, const std::string& code) {
  v1::Task task;
  task.set_tag(tag);
  task.mutable_source()->set_code(code);
  return task;
}

v1::Task Call(v1::Tag tag, const std::string& file, const std::string& entry, const std::vector<v1::Value>& arguments) {
  v1::Task task = Script(tag, Testcase(file));
  task.set_name(entry);
  task.mutable_source()->set_entry(entry);
  for (const v1::Value& argument : arguments) *task.mutable_source()->add_arguments() = argument;
  return task;
}

v1::Task WithProcesses(v1::Task task) {
  task.set_allow_subprocess(true);
  return task;
}

v1::Task RingAndWait(v1::Tag tag, int doorbell_port) {
  return Call(tag, "waits.py", "ring_and_wait", {Json(std::to_string(doorbell_port))});
}

google::protobuf::Duration Ms(int64_t ms) {
  google::protobuf::Duration duration;
  duration.set_seconds(ms / 1000);
  duration.set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
  return duration;
}

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() / 1e9;
}

// ---- replies ----

template <typename Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  Detail detail;
  if (!details.ParseFromString(status.error_details())) return detail;
  for (const auto& any : details.details()) {
    if (any.Is<Detail>()) any.UnpackTo(&detail);
  }
  return detail;
}
template google::rpc::ErrorInfo DetailOf(const grpc::Status&);
template google::rpc::RetryInfo DetailOf(const grpc::Status&);
template google::rpc::BadRequest DetailOf(const grpc::Status&);

PendingRun::PendingRun(v1::Executor::Stub* stub, const v1::Task& task, int64_t deadline_ms) {
  *request_.mutable_task() = task;
  context_.set_deadline(In(deadline_ms));
  stub->async()->Run(&context_, &request_, &reply_, [this](grpc::Status status) {
    status_ = std::move(status);
    ended_.Notify();
  });
}

PendingRun::~PendingRun() {
  Cancel();
  ended_.WaitForNotification();
}

const grpc::Status& PendingRun::status() {
  ended_.WaitForNotification();
  return status_;
}

const v1::Outcome& PendingRun::outcome() {
  ThrowUnlessOk("Run", status());
  return reply_.outcome();
}

void Eventually(const std::string& what, const std::function<bool()>& is_so) {
  auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > deadline) Throw("it did not come about: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// ---- the server ----

ServerFixture::ServerFixture() {
  // Once: the last of its users waits for gRPC's threads, after a large message for ten seconds now and then.
  static const bool kept = (grpc_init(), true);
  (void)kept;
  // What the server leaves behind becomes a child of this process, where it is found.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

ServerFixture::~ServerFixture() {
  for (int fd : {out_pipe_, err_file_}) {
    if (fd >= 0) close(fd);
  }
}

void ServerFixture::TearDown() {
  if (pid_ != 0) {
    EXPECT_EQ(StopServer(), 0) << "gild-server's exit code";
  }
  if (HasFailure() && err_file_ >= 0) {
    fprintf(stderr, "---- log of gild-server ----\n%s----\n", ContentOf(err_file_).c_str());
  }
}

void ServerFixture::StartServer(const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = becoming_;
  arguments.insert(arguments.end(), {GILD_SERVER, "--http-listen", "127.0.0.1:0"});
  if (std::find(flags.begin(), flags.end(), "--listen") == flags.end()) {
    arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
  }
  if (cpu_tasks_ring_) arguments.push_back("--cpu-network");
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) Throw("pipe2 failed");
  err_file_ = MemoryFile();
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = Spawn(arguments, null, out[1], err_file_);
  close(null);
  close(out[1]);
  out_pipe_ = out[0];

  std::string line = AwaitReadyLine(out_pipe_);
  // `gild-server listening on ADDRESS, http 127.0.0.1:PORT (…`
  const std::string begin = "gild-server listening on ", then = ", http 127.0.0.1:";
  const size_t comma = line.find(then);
  if (line.rfind(begin, 0) != 0 || comma == std::string::npos) {
    Throw("gild-server's ready line is not one: '" + line + "'");
  }
  address_ = line.substr(begin.size(), comma - begin.size());
  http_port_ = std::stoi(line.substr(comma + then.size()));

  grpc::ChannelArguments options;
  options.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  options.SetMaxReceiveMessageSize(64 << 20);
  options.SetMaxSendMessageSize(64 << 20);
  channel_ = grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), options);
  executor_ = v1::Executor::NewStub(channel_);
  monitor_ = v1::Monitor::NewStub(channel_);
}

bool ServerFixture::BeOrdinaryUser() {
  if (geteuid() != 0) return true;
  becoming_ = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
  std::vector<std::string> trial = becoming_;
  trial.insert(trial.end(), {GILD_SERVER, "--version"});
  const CommandResult tried = RunCommand(trial);
  if (tried.exit_code != 0) fprintf(stderr, "what was built is closed to others: %s\n", tried.err.c_str());
  return tried.exit_code == 0;
}

void ServerFixture::StartSmallServer(const std::vector<std::string>& more_flags) {
  std::vector<std::string> flags = {"--io-interpreters", "1", "--cpu-interpreters", "1"};
  flags.insert(flags.end(), more_flags.begin(), more_flags.end());
  StartServer(flags);
}

std::string ServerFixture::AwaitReadyLine(int pipe_fd) {
  std::string line;
  char c = 0;
  while (true) {
    pollfd waiting = {pipe_fd, POLLIN, 0};
    if (poll(&waiting, 1, 60'000) != 1) Throw("gild-server printed no ready line for a minute");
    if (read(pipe_fd, &c, 1) != 1) Throw("gild-server ended before it was ready");
    if (c == '\n') return line;
    line += c;
  }
}

void ServerFixture::Send(int signal) { kill(pid_, signal); }

int ServerFixture::AwaitServerExit() {
  int exit_code = AwaitExit(pid_);
  pid_ = 0;
  ExpectNoProcessLeft(/*clean=*/exit_code == 0);
  return exit_code;
}

int ServerFixture::StopServer() {
  Send(SIGTERM);
  return AwaitServerExit();
}

void ServerFixture::ExpectNoProcessLeft(bool clean) {
  int left = 0;
  while ((left = waitpid(-1, nullptr, WNOHANG)) > 0) {
  }
  if (left < 0) return;  // no child at all
  std::istringstream children(ReadFile("/proc/thread-self/children"));
  for (int child = 0; children >> child;) {
    if (clean) ADD_FAILURE() << "left behind: " << child << " " << ReadFile("/proc/" + std::to_string(child) + "/comm");
    kill(child, SIGKILL);
    AwaitExit(child);
  }
}

v1::Outcome ServerFixture::Run(const v1::Task& task) { return RunLater(task)->outcome(); }

grpc::Status ServerFixture::TryRun(const v1::Task& task) { return RunLater(task)->status(); }

std::unique_ptr<PendingRun> ServerFixture::RunLater(const v1::Task& task, int64_t deadline_ms) {
  return std::make_unique<PendingRun>(executor(), task, deadline_ms);
}

bool ServerFixture::Sees(v1::Tag tag, const std::string& path) {
  const v1::Outcome looked = Run(Script(tag, "import os\nprint(os.path.lexists('" + path + "'))"));
  if (looked.ending() != v1::SUCCEEDED) Throw("cannot look for a file: " + looked.DebugString());
  return looked.stdout() == "True\n";
}

bool ServerFixture::Lacks(const std::string& module) {
  const v1::Outcome outcome = Run(Script(v1::CPU, "import " + module));
  const bool is_there = outcome.ending() == v1::SUCCEEDED;
  EXPECT_TRUE(is_there || std::string(GILD_PYTHON) != "/usr/bin/python3") << outcome.error().traceback();
  return !is_there;
}

v1::Info ServerFixture::GetInfo() {
  grpc::ClientContext context;
  context.set_deadline(In(60'000));
  v1::Info info;
  ThrowUnlessOk("GetInfo", monitor()->GetInfo(&context, {}, &info));
  return info;
}

v1::Stats ServerFixture::GetStats() {
  grpc::ClientContext context;
  context.set_deadline(In(60'000));
  v1::Stats stats;
  ThrowUnlessOk("GetStats", monitor()->GetStats(&context, {}, &stats));
  return stats;
}

v1::InterpreterStats ServerFixture::Slot(const std::string& name) {
  v1::Stats stats = GetStats();
  for (const v1::InterpreterStats& slot : stats.interpreters()) {
    if (slot.slot() == name) return slot;
  }
  throw std::runtime_error("no slot " + name);
}

uint64_t ServerFixture::Restarts(const std::string& slot, const std::string& cause) {
  const v1::InterpreterStats stats = Slot(slot);
  for (const v1::RestartCount& restarts : stats.restarts()) {
    if (restarts.cause() == cause) return restarts.restarts();
  }
  return 0;
}

v1::LaneStats ServerFixture::LaneOf(v1::Lane lane) {
  v1::Stats stats = GetStats();
  for (const v1::LaneStats& candidate : stats.lanes()) {
    if (candidate.lane() == lane) return candidate;
  }
  throw std::runtime_error("no lane " + v1::Lane_Name(lane));
}

uint64_t ServerFixture::Endings(v1::Lane lane, v1::Ending ending) {
  v1::LaneStats stats = LaneOf(lane);
  for (const v1::EndingCount& count : stats.endings()) {
    if (count.ending() == ending) return count.tasks();
  }
  return 0;
}

v1::InterpreterStats ServerFixture::AwaitSuccessor(const std::string& slot, uint64_t generation) {
  v1::InterpreterStats stats;
  Eventually(slot + " has a new interpreter", [&] {
    stats = Slot(slot);
    return stats.generation() > generation && stats.state() == v1::InterpreterStats::READY;
  });
  return stats;
}

Health ServerFixture::GetHealth(const std::string& service) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  grpc::ClientContext context;
  context.set_deadline(In(60'000));
  const grpc::Status status = grpc::health::v1::Health::NewStub(channel_)->Check(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return Health::kNotFound;
  ThrowUnlessOk("Health.Check", status);
  return static_cast<Health>(response.status());
}

HttpReply ServerFixture::HttpGet(const std::string& path) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(http_port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval patience = {60, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::string request = "GET " + path + " HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
  std::string text;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    char block[4096];
    for (ssize_t size = 0; (size = recv(fd, block, sizeof(block), 0)) > 0;) text.append(block, size);
  }
  close(fd);
  size_t end_of_head = text.find("\r\n\r\n");
  if (text.rfind("HTTP/1.", 0) != 0 || end_of_head == std::string::npos) Throw("no HTTP reply to " + path);
  return {std::stoi(text.substr(9, 3)), text.substr(end_of_head + 4)};
}

}  // namespace gild::testing
