#include "server/process/network_fence.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"

namespace gild {
namespace {

// Link-local addresses are neighbours' (and 169.254.169.254 is most clouds' metadata service); the others, of clouds
// that have it elsewhere: Alibaba's 100.100.100.200, Oracle's 192.0.0.192, and Azure's 168.63.129.16, which is its
// resolver of names as well.
constexpr uint32_t kLinkLocal = 0xa9fe0000, kLinkLocalMask = 0xffff0000;
constexpr uint32_t kMetadata[] = {0x646464c8, 0xc00000c0};
constexpr uint32_t kAzures = 0xa83f8110;
constexpr uint16_t kNames = 53;
constexpr uint32_t kLoopback = 0x7f000000, kLoopbackMask = 0xff000000;
// fe80::/10; fd00:ec2::254 and fd00:ec2::23, which are Amazon's; fd20:ce::254, which is Google's.
constexpr uint32_t kLinkLocal6 = 0xfe800000, kLinkLocal6Mask = 0xffc00000;
constexpr uint32_t kMetadata6[][4] = {{0xfd000ec2, 0, 0, 0x254}, {0xfd000ec2, 0, 0, 0x23}, {0xfd2000ce, 0, 0, 0x254}};

constexpr uint8_t kContext = BPF_REG_6, kWord = BPF_REG_2, kMasked = BPF_REG_3, kPort = BPF_REG_4;

// A program that ends by "allowed" or "refused", written from top to bottom. Numbers are compared as they travel, in
// network order.
class Writer {
 public:
  Writer() { Add({.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = kContext, .src_reg = BPF_REG_1}); }

  void Load(uint8_t to, size_t offset) {
    Add({.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = to, .src_reg = kContext, .off = static_cast<int16_t>(offset)});
  }
  // Refused when the word that was loaded last, under the mask, is that.
  void RefuseIf(uint32_t value, uint32_t mask = UINT32_MAX) { refused_.push_back(JumpIf(value, mask)); }
  // To be given to Here; the jump is made when it is equal (`equal`), or when it is not.
  size_t JumpIf(uint32_t value, uint32_t mask = UINT32_MAX, bool equal = true) {
    uint8_t compared = kWord;
    if (mask != UINT32_MAX) {
      Add({.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = kMasked, .src_reg = kWord});
      Add({.code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = kMasked, .imm = static_cast<int32_t>(htonl(mask))});
      compared = kMasked;
    }
    Add({.code = static_cast<uint8_t>(BPF_JMP32 | (equal ? BPF_JEQ : BPF_JNE) | BPF_K),
         .dst_reg = compared,
         .imm = static_cast<int32_t>(htonl(value))});
    return code_.size() - 1;
  }
  size_t Jump() {
    Add({.code = BPF_JMP | BPF_JA});
    return code_.size() - 1;
  }
  void Here(size_t jump) { code_[jump].off = static_cast<int16_t>(code_.size() - jump - 1); }

  // The port, once it is in its register, is one of these.
  void RefusePorts(const std::vector<NetworkFence::Port>& ports, bool also_loopback_only) {
    Load(kPort, offsetof(bpf_sock_addr, user_port));
    for (const NetworkFence::Port& port : ports) {
      if (port.loopback_only && !also_loopback_only) continue;
      Add({.code = BPF_JMP32 | BPF_JEQ | BPF_K, .dst_reg = kPort, .imm = htons(port.number)});
      refused_.push_back(code_.size() - 1);
    }
  }

  void RefuseUnlessPort(uint16_t port) {
    Load(kPort, offsetof(bpf_sock_addr, user_port));
    Add({.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = kPort, .imm = htons(port)});
    refused_.push_back(code_.size() - 1);
  }

  std::vector<bpf_insn> Done() && {
    Add({.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1});
    Add({.code = BPF_JMP | BPF_EXIT});
    for (const size_t jump : refused_) Here(jump);
    Add({.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0});
    Add({.code = BPF_JMP | BPF_EXIT});
    return std::move(code_);
  }

 private:
  void Add(bpf_insn instruction) { code_.push_back(instruction); }

  std::vector<bpf_insn> code_;
  std::vector<size_t> refused_;  // jumps there
};

// Goes on behind all that it looks at. The address of version 4 is the word that was loaded last.
void FenceVersion4(const std::vector<NetworkFence::Port>& ports, Writer* writer) {
  writer->RefuseIf(kLinkLocal, kLinkLocalMask);
  for (const uint32_t address : kMetadata) writer->RefuseIf(address);
  const size_t not_azures = writer->JumpIf(kAzures, UINT32_MAX, /*equal=*/false);
  writer->RefuseUnlessPort(kNames);
  writer->Here(not_azures);
  const size_t loopback = writer->JumpIf(kLoopback, kLoopbackMask);
  const size_t this_host = writer->JumpIf(0);  // which connect(2) takes for loopback
  writer->RefusePorts(ports, /*also_loopback_only=*/false);
  const size_t done = writer->Jump();
  writer->Here(loopback);
  writer->Here(this_host);
  writer->RefusePorts(ports, /*also_loopback_only=*/true);
  writer->Here(done);
}

std::vector<bpf_insn> ForVersion4(const std::vector<NetworkFence::Port>& ports) {
  Writer writer;
  writer.Load(kWord, offsetof(bpf_sock_addr, user_ip4));
  FenceVersion4(ports, &writer);
  return std::move(writer).Done();
}

std::vector<bpf_insn> ForVersion6(const std::vector<NetworkFence::Port>& ports) {
  const auto word = [](int index) { return offsetof(bpf_sock_addr, user_ip6) + 4 * index; };
  Writer writer;
  writer.Load(kWord, word(0));
  writer.RefuseIf(kLinkLocal6, kLinkLocal6Mask);
  for (const auto& address : kMetadata6) {
    std::vector<size_t> others;
    for (int i = 0; i < 4; ++i) {
      writer.Load(kWord, word(i));
      if (i < 3) {
        others.push_back(writer.JumpIf(address[i], UINT32_MAX, /*equal=*/false));
      } else {
        writer.RefuseIf(address[i]);
      }
    }
    for (const size_t jump : others) writer.Here(jump);
  }

  // ::ffff:a.b.c.d is version 4's; ::1 and :: are loopback.
  std::vector<size_t> elsewhere;
  for (int i = 0; i < 2; ++i) {
    writer.Load(kWord, word(i));
    elsewhere.push_back(writer.JumpIf(0, UINT32_MAX, /*equal=*/false));
  }
  writer.Load(kWord, word(2));
  const size_t mapped = writer.JumpIf(0xffff);
  elsewhere.push_back(writer.JumpIf(0, UINT32_MAX, /*equal=*/false));
  writer.Load(kWord, word(3));
  const size_t loopback = writer.JumpIf(1);
  elsewhere.push_back(writer.JumpIf(0, UINT32_MAX, /*equal=*/false));
  writer.Here(loopback);
  writer.RefusePorts(ports, /*also_loopback_only=*/true);
  const size_t done_with_loopback = writer.Jump();

  writer.Here(mapped);
  writer.Load(kWord, word(3));
  FenceVersion4(ports, &writer);
  const size_t done_with_mapped = writer.Jump();

  for (const size_t jump : elsewhere) writer.Here(jump);
  writer.RefusePorts(ports, /*also_loopback_only=*/false);
  writer.Here(done_with_loopback);
  writer.Here(done_with_mapped);
  return std::move(writer).Done();
}

std::vector<bpf_insn> ForBind(const std::vector<NetworkFence::Port>& ports) {
  Writer writer;
  writer.RefusePorts(ports, /*also_loopback_only=*/true);
  return std::move(writer).Done();
}

int Bpf(bpf_cmd command, bpf_attr* attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

absl::StatusOr<UniqueFd> Load(const std::vector<bpf_insn>& code, bpf_attach_type at) {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
  attributes.expected_attach_type = at;
  attributes.insns = reinterpret_cast<uint64_t>(code.data());
  attributes.insn_cnt = static_cast<uint32_t>(code.size());
  static constexpr char kLicense[] = "";
  attributes.license = reinterpret_cast<uint64_t>(kLicense);
  UniqueFd program(Bpf(BPF_PROG_LOAD, &attributes));
  if (!program.valid()) return ErrnoStatus(errno, "load a BPF program for the network fence");
  return program;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NetworkFence>> NetworkFence::Make(const std::vector<Port>& ports) {
  const std::vector<bpf_insn> version_4 = ForVersion4(ports), version_6 = ForVersion6(ports), bind = ForBind(ports);
  auto fence = std::make_unique<NetworkFence>();
  for (const auto& [at, code] :
       {std::pair(BPF_CGROUP_INET4_CONNECT, &version_4), std::pair(BPF_CGROUP_UDP4_SENDMSG, &version_4),
        std::pair(BPF_CGROUP_INET6_CONNECT, &version_6), std::pair(BPF_CGROUP_UDP6_SENDMSG, &version_6),
        std::pair(BPF_CGROUP_INET4_BIND, &bind), std::pair(BPF_CGROUP_INET6_BIND, &bind)}) {
    absl::StatusOr<UniqueFd> program = Load(*code, at);
    if (!program.ok()) return program.status();
    fence->programs_.push_back({.at = at, .fd = *std::move(program)});
  }
  return fence;
}

absl::Status NetworkFence::PutAround(const std::string& group_folder) const {
  const UniqueFd folder(open(group_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(errno, "open " + group_folder);
  for (const Program& program : programs_) {
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = folder.get();
    attributes.attach_bpf_fd = program.fd.get();
    attributes.attach_type = program.at;
    if (Bpf(BPF_PROG_ATTACH, &attributes) != 0) {
      return ErrnoStatus(errno, absl::StrCat("put a network fence around ", group_folder));
    }
  }
  return absl::OkStatus();
}

}  // namespace gild
