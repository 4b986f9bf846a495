// SPDX-License-Identifier: Apache-2.0
#include "agent/device_filter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <sys/syscall.h>
#include <unistd.h>

#include "base/bpf_instruction.h"
#include "base/fd.h"

namespace cc::agent {

namespace {

using Program = std::vector<bpf_insn>;

// The program's registers. An access is a set of bits; those that no rule has decided yet wait in
// kAccess, so that each is decided by the last rule that covers it.
constexpr uint8_t kVerdict = BPF_REG_0, kContext = BPF_REG_1, kAccess = BPF_REG_2,
                  kType = BPF_REG_3, kMajor = BPF_REG_4, kMinor = BPF_REG_5;

bpf_insn LoadWord(uint8_t to, size_t offset) {
    return BpfInstruction(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int16_t>(offset), 0);
}
bpf_insn Operate(int operation, uint8_t to, uint32_t value) {
    return BpfInstruction(BPF_ALU | operation | BPF_K, to, 0, 0, static_cast<int32_t>(value));
}
bpf_insn Jump(int condition, uint8_t reg, uint32_t value, size_t distance) {
    return BpfInstruction(BPF_JMP | condition | BPF_K, reg, 0, static_cast<int16_t>(distance),
                          static_cast<int32_t>(value));
}

void Append(Program& program, const Program& more) {
    program.insert(program.end(), more.begin(), more.end());
}

Program Answer(bool allow) {
    return {BpfInstruction(BPF_ALU64 | BPF_MOV | BPF_K, kVerdict, 0, 0, allow ? 1 : 0),
            BpfInstruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
}

// What is done with an access to a device that the rule is about.
Program Decision(const DeviceRule& rule) {
    Program decision;
    if (rule.access == DeviceRule::kAll) return Answer(rule.allow);
    const Program answer = Answer(rule.allow);
    if (rule.allow) {
        decision.push_back(Operate(BPF_AND, kAccess, DeviceRule::kAll & ~rule.access));
        decision.push_back(Jump(BPF_JNE, kAccess, 0, answer.size()));
    } else {
        decision.push_back(Jump(BPF_JSET, kAccess, rule.access, 1));
        decision.push_back(Jump(BPF_JA, 0, 0, answer.size()));
    }
    Append(decision, answer);
    return decision;
}

struct Condition {
    uint8_t reg;
    uint32_t value;
};

std::vector<Condition> Conditions(const DeviceRule& rule) {
    std::vector<Condition> conditions;
    if (rule.type == 'c') conditions.push_back({kType, BPF_DEVCG_DEV_CHAR});
    if (rule.type == 'b') conditions.push_back({kType, BPF_DEVCG_DEV_BLOCK});
    if (rule.major) conditions.push_back({kMajor, *rule.major});
    if (rule.minor) conditions.push_back({kMinor, *rule.minor});
    return conditions;
}

bool Covers(const DeviceRule& wide, const DeviceRule& narrow) {
    return (wide.type == 'a' || wide.type == narrow.type) &&
           (!wide.major || wide.major == narrow.major) &&
           (!wide.minor || wide.minor == narrow.minor) && (narrow.access & ~wide.access) == 0;
}

bool Overlap(const DeviceRule& a, const DeviceRule& b) {
    const auto same = [](const auto& one, const auto& other) {
        return !one || !other || *one == *other;
    };
    return (a.type == 'a' || b.type == 'a' || a.type == b.type) && same(a.major, b.major) &&
           same(a.minor, b.minor) && (a.access & b.access) != 0;
}

// Without rules that decide nothing: those that a later one covers, and those that deny what no
// earlier one allows. Of the lists of container engines hardly more than the default devices is
// left, so that they come to the same few programs.
std::vector<DeviceRule> Effective(const std::vector<DeviceRule>& rules) {
    std::vector<DeviceRule> effective;
    for (auto rule = rules.begin(); rule != rules.end(); ++rule) {
        const bool overruled = std::any_of(
            rule + 1, rules.end(), [&](const DeviceRule& later) { return Covers(later, *rule); });
        const bool takes_away = std::any_of(
            effective.begin(), effective.end(),
            [&](const DeviceRule& earlier) { return earlier.allow && Overlap(earlier, *rule); });
        if (!overruled && (rule->allow || takes_away)) effective.push_back(*rule);
    }
    return effective;
}

int Bpf(int command, bpf_attr& attributes) {
    return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Result<Fd> Load(const Program& program) {
    constexpr char kLicense[] = "Apache-2.0";
    bpf_attr load{};
    load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    load.insns = reinterpret_cast<uintptr_t>(program.data());
    load.insn_cnt = static_cast<uint32_t>(program.size());
    load.license = reinterpret_cast<uintptr_t>(kLicense);
    // The kernel gives up with EAGAIN when a signal comes while it looks at the program.
    constexpr int kTries = 16;
    int loaded = -1;
    for (int i = 0; i < kTries && loaded < 0; ++i) {
        loaded = Bpf(BPF_PROG_LOAD, load);
        if (loaded < 0 && errno != EAGAIN) break;
    }
    if (loaded < 0) return FailErrno("loading the filter of devices");
    return Fd::Adopt(loaded);
}

Program ProgramOf(const std::vector<DeviceRule>& effective) {
    Program program{LoadWord(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
                    LoadWord(kAccess, offsetof(bpf_cgroup_dev_ctx, access_type)),
                    LoadWord(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
                    LoadWord(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
                    Operate(BPF_AND, kType, 0xffff),
                    Operate(BPF_RSH, kAccess, 16)};
    for (auto rule = effective.rbegin(); rule != effective.rend(); ++rule) {
        const Program decision = Decision(*rule);
        const auto conditions = Conditions(*rule);
        for (size_t i = 0; i < conditions.size(); ++i)
            program.push_back(Jump(BPF_JNE, conditions[i].reg, conditions[i].value,
                                   conditions.size() - i - 1 + decision.size()));
        Append(program, decision);
        // The kernel takes no program with instructions that are never reached.
        if (conditions.empty() && rule->access == DeviceRule::kAll) return program;
    }
    Append(program, Answer(false));
    return program;
}

// Programs that the kernel has, by their effective rules, the one that was used last in front. To
// verify one takes the kernel as long as a tenth of a container's start in a new clone; those of
// the rehearsal are there.
class LoadedFilters {
  public:
    Result<int> Find(const std::vector<DeviceRule>& rules) {
        auto effective = Effective(rules);
        const auto known = std::find_if(loaded_.begin(), loaded_.end(),
                                        [&](const Entry& one) { return one.rules == effective; });
        if (known != loaded_.end()) {
            std::rotate(loaded_.begin(), known, known + 1);
        } else {
            CC_ASSIGN(Fd filter, Load(ProgramOf(effective)));
            if (loaded_.size() == kMost) loaded_.pop_back();
            loaded_.insert(loaded_.begin(), Entry{std::move(effective), std::move(filter)});
        }
        return loaded_.front().filter.get();
    }

  private:
    static constexpr size_t kMost = 8;
    struct Entry {
        std::vector<DeviceRule> rules;
        Fd filter;
    };
    std::vector<Entry> loaded_;
};

}  // namespace

std::vector<DeviceRule> DefaultDeviceRules() {
    const auto character = [](uint32_t major, std::optional<uint32_t> minor) {
        return DeviceRule{true, 'c', major, minor, DeviceRule::kAll};
    };
    // Numbers as in the kernel's Documentation/admin-guide/devices.txt.
    constexpr uint32_t kMemory = 1, kTty = 5, kPts = 136;
    return {{true, 'c', {}, {}, DeviceRule::kMknod},
            {true, 'b', {}, {}, DeviceRule::kMknod},
            character(kMemory, 3),  // null
            character(kMemory, 5),  // zero
            character(kMemory, 7),  // full
            character(kMemory, 8),  // random
            character(kMemory, 9),  // urandom
            character(kTty, 0),     // tty
            character(kTty, 2),     // ptmx
            character(kPts, {})};
}

Program DeviceProgram(const std::vector<DeviceRule>& rules) {
    return ProgramOf(Effective(rules));
}

namespace {

LoadedFilters& Loaded() {
    static LoadedFilters loaded;
    return loaded;
}

}  // namespace

Result<void> LoadDeviceFilter(const std::vector<DeviceRule>& rules) {
    CC_TRY(Loaded().Find(rules));
    return {};
}

Result<void> AttachDeviceFilter(int cgroup, const std::vector<DeviceRule>& rules,
                                const std::vector<DeviceRule>* present) {
    CC_ASSIGN(const int filter, Loaded().Find(rules));
    bpf_attr attach{};
    attach.target_fd = static_cast<uint32_t>(cgroup);
    attach.attach_bpf_fd = static_cast<uint32_t>(filter);
    attach.attach_type = BPF_CGROUP_DEVICE;
    // A container that divides its cgroup may put filters of its own below this one, never above.
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (present != nullptr) {
        CC_ASSIGN(const int replaced, Loaded().Find(*present));
        if (replaced == filter) return {};
        attach.attach_flags |= BPF_F_REPLACE;
        attach.replace_bpf_fd = static_cast<uint32_t>(replaced);
    }
    if (Bpf(BPF_PROG_ATTACH, attach) < 0) return FailErrno("attaching the filter of devices");
    return {};
}

}  // namespace cc::agent
