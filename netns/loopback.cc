// SPDX-License-Identifier: Apache-2.0
#include "netns/loopback.h"

#include <array>
#include <cstddef>
#include <vector>

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/bpf_instruction.h"
#include "netns/in_namespace.h"

namespace cc::netns {

namespace {

constexpr int kBacklog = 128;
constexpr uint32_t kSlot4 = 0, kSlot6 = 1, kSlots = 2;

int Bpf(bpf_cmd command, bpf_attr& attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

// Put together in order; jumps go forward.
class Program {
  public:
    // Jumps forward are filled in by Pass().
    void JumpToPassUnless(uint8_t reg, int32_t value) {
        to_pass_.push_back(code_.size());
        Add(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, value);
    }
    void JumpToPassIfNull(uint8_t reg) {
        to_pass_.push_back(code_.size());
        Add(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, 0, 0);
    }
    void Load(uint8_t to, uint8_t context, size_t offset) {
        Add(BPF_LDX | BPF_MEM | BPF_W, to, context, static_cast<int16_t>(offset), 0);
    }
    void Move(uint8_t to, uint8_t from) { Add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
    void Set(uint8_t to, int32_t value) { Add(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
    // BPF_K and BPF_IMM are 0, as BPF_ADD is.
    void AddTo(uint8_t to, int32_t value) { Add(BPF_ALU64 | BPF_ADD, to, 0, 0, value); }
    void StoreWord(uint8_t base, int16_t offset, uint8_t from) {
        Add(BPF_STX | BPF_MEM | BPF_W, base, from, offset, 0);
    }
    void Map(uint8_t to, int map) {
        Add(BPF_LD | BPF_DW, to, BPF_PSEUDO_MAP_FD, 0, map);
        Add(0, 0, 0, 0, 0);
    }
    void Call(int32_t helper) { Add(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
    size_t size() const { return code_.size(); }
    // A jump over what comes until Land() is told of it.
    size_t JumpIfEqual(uint8_t reg, int32_t value) {
        Add(BPF_JMP32 | BPF_JEQ | BPF_K, reg, 0, 0, value);
        return code_.size() - 1;
    }
    size_t Jump() {
        Add(BPF_JMP | BPF_JA, 0, 0, 0, 0);
        return code_.size() - 1;
    }
    void Land(size_t jump) { code_[jump].off = static_cast<int16_t>(code_.size() - jump - 1); }
    void Pass() {
        for (const size_t jump : to_pass_)
            Land(jump);
        Set(BPF_REG_0, SK_PASS);
        Add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    const std::vector<bpf_insn>& code() const { return code_; }

  private:
    void Add(int code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
        code_.push_back(BpfInstruction(code, to, from, offset, value));
    }
    std::vector<bpf_insn> code_;
    std::vector<size_t> to_pass_;
};

// Run by the kernel when it looks for the listener of a connection that begins. What it does not
// assign goes the usual way.
std::vector<bpf_insn> AssignLoopback(int listeners) {
    constexpr uint8_t kContext = BPF_REG_6, kFound = BPF_REG_7, kWord = BPF_REG_2;
    constexpr int16_t kKeyAt = -4;
    Program program;
    program.Move(kContext, BPF_REG_1);
    program.Load(kWord, kContext, offsetof(bpf_sk_lookup, protocol));
    program.JumpToPassUnless(kWord, IPPROTO_TCP);
    program.Load(kWord, kContext, offsetof(bpf_sk_lookup, family));
    const size_t to_ipv4 = program.JumpIfEqual(kWord, AF_INET);
    program.JumpToPassUnless(kWord, AF_INET6);
    constexpr std::array<uint32_t, 4> kOne{0, 0, 0, 1};
    for (size_t i = 0; i < kOne.size(); ++i) {
        program.Load(kWord, kContext, offsetof(bpf_sk_lookup, local_ip6) + i * sizeof(uint32_t));
        program.JumpToPassUnless(kWord, static_cast<int32_t>(htonl(kOne[i])));
    }
    program.Set(kWord, kSlot6);
    const size_t to_find = program.Jump();
    program.Land(to_ipv4);
    program.Load(kWord, kContext, offsetof(bpf_sk_lookup, local_ip4));
    program.JumpToPassUnless(kWord, static_cast<int32_t>(htonl(INADDR_LOOPBACK)));
    program.Set(kWord, kSlot4);
    program.Land(to_find);
    program.StoreWord(BPF_REG_10, kKeyAt, kWord);
    program.Move(BPF_REG_2, BPF_REG_10);
    program.AddTo(BPF_REG_2, kKeyAt);
    program.Map(BPF_REG_1, listeners);
    program.Call(BPF_FUNC_map_lookup_elem);
    program.JumpToPassIfNull(BPF_REG_0);
    program.Move(kFound, BPF_REG_0);
    program.Move(BPF_REG_1, kContext);
    program.Move(BPF_REG_2, kFound);
    program.Set(BPF_REG_3, 0);
    program.Call(BPF_FUNC_sk_assign);
    program.Move(BPF_REG_1, kFound);
    program.Call(BPF_FUNC_sk_release);
    program.Pass();
    return program.code();
}

Result<Fd> MakeMap() {
    bpf_attr attributes{};
    attributes.map_type = BPF_MAP_TYPE_SOCKMAP;
    attributes.key_size = sizeof(uint32_t);
    attributes.value_size = sizeof(uint64_t);
    attributes.max_entries = kSlots;
    Fd map = Fd::Adopt(Bpf(BPF_MAP_CREATE, attributes));
    if (!map) return FailErrno("making a map of sockets");
    return map;
}

Result<void> Put(const Fd& map, uint32_t slot, const Fd& socket) {
    const auto value = static_cast<uint64_t>(socket.get());
    bpf_attr attributes{};
    attributes.map_fd = static_cast<uint32_t>(map.get());
    attributes.key = reinterpret_cast<uintptr_t>(&slot);
    attributes.value = reinterpret_cast<uintptr_t>(&value);
    if (Bpf(BPF_MAP_UPDATE_ELEM, attributes) < 0) return FailErrno("putting a socket into its map");
    return {};
}

Result<Fd> LoadProgram(const std::vector<bpf_insn>& code) {
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
    attributes.expected_attach_type = BPF_SK_LOOKUP;
    attributes.insns = reinterpret_cast<uintptr_t>(code.data());
    attributes.insn_cnt = static_cast<uint32_t>(code.size());
    attributes.license = reinterpret_cast<uintptr_t>("GPL");
    Fd program = Fd::Adopt(Bpf(BPF_PROG_LOAD, attributes));
    if (!program) return FailErrno("loading the program that looks up sockets");
    return program;
}

Result<Fd> Attach(const Fd& program, const Fd& network_namespace) {
    bpf_attr attributes{};
    attributes.link_create.prog_fd = static_cast<uint32_t>(program.get());
    attributes.link_create.target_fd = static_cast<uint32_t>(network_namespace.get());
    attributes.link_create.attach_type = BPF_SK_LOOKUP;
    Fd link = Fd::Adopt(Bpf(BPF_LINK_CREATE, attributes));
    if (!link) return FailErrno("attaching to the network namespace");
    return link;
}

template <class Address>
Result<Fd> ListenOn(const Address& address) {
    Fd socket = Fd::Adopt(::socket(reinterpret_cast<const sockaddr&>(address).sa_family,
                                   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
        ::listen(socket.get(), kBacklog) < 0)
        return FailErrno("listening on loopback");
    return socket;
}

}  // namespace

Result<LoopbackCatch> CatchLoopback(const Fd& network_namespace) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_addr = in6addr_loopback;
    LoopbackCatch made;
    CC_ASSIGN(made.ipv4, InNamespace(network_namespace, [&] { return ListenOn(ipv4); }));
    if (auto socket = InNamespace(network_namespace, [&] { return ListenOn(ipv6); }))
        made.ipv6 = std::move(*socket);
    CC_ASSIGN(const Fd map, MakeMap());
    CC_TRY(Put(map, kSlot4, made.ipv4));
    if (made.ipv6) CC_TRY(Put(map, kSlot6, made.ipv6));
    CC_ASSIGN(const Fd program, LoadProgram(AssignLoopback(map.get())));
    CC_ASSIGN(made.link, Attach(program, network_namespace));
    return made;
}

}  // namespace cc::netns
