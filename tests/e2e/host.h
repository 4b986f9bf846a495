// SPDX-License-Identifier: Apache-2.0
// What an end-to-end test stands on: a private "host" (run directory, state root and configuration
// of its own, so that it disturbs nothing else on the machine), bundles with a busybox root file
// system, and the check that nothing is left behind. cc-runtime is the real program, the VMs are
// real.
//
// With CC_TEST_SHARED_FS=virtio-fs in the environment all hosts share their files so.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/json_full.h"
#include "base/process.h"

namespace cc::test {

constexpr std::chrono::seconds kPatience{120};  // for anything that boots a VM on a busy machine

struct Finished {
    int status = -1;  // exit code, 128 + signal, or -1 when the patience ran out
    std::string out;
    std::string err;
};

// Runs a program to its end, feeding it `input`, never longer than `patience`.
Finished RunProgram(const std::string& executable, const std::vector<std::string>& arguments,
                    const std::string& input = "",
                    const std::vector<std::string>& extra_environment = {},
                    std::chrono::milliseconds patience = kPatience);

// QEMU among a host's processes, whether ours or Debian's.
constexpr const char* kVmm = "qemu";

class Host {
  public:
    // `hypervisor_lines`, `runtime_lines`: lines for these sections of the configuration file.
    // Containers are cloned from a template that all hosts of this program share; with lines for
    // the hypervisor they boot, because each would need a template of its own.
    explicit Host(const std::string& hypervisor_lines = "", const std::string& runtime_lines = "");
    // With lines for the section [factory] and its templates in a directory of its own, which end
    // with the host.
    static Host WithTemplates(const std::string& factory_lines,
                              const std::string& hypervisor_lines = "");
    // Whose share is served by virtiofs. Containers are cloned from a template that all such hosts
    // of this program share.
    static Host WithVirtioFs();
    std::string template_path() const { return directory_ + "/run/template"; }
    // Ends the proxy and checks that nothing is left.
    ~Host();
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    const std::string& directory() const { return directory_; }
    std::string root() const { return directory_ + "/root"; }
    std::string run_directory() const { return directory_ + "/run"; }

    // Writes a bundle whose process is `args`; `edit` may change the configuration. Returns its
    // path.
    std::string Bundle(const std::string& name, const std::vector<std::string>& args,
                       const std::function<void(Json&)>& edit = nullptr);
    std::string rootfs() const {
        return directory_ + "/rootfs";
    }  // shared by all bundles of the host

    // cc-runtime with this host's configuration and root.
    Finished Runtime(const std::vector<std::string>& arguments, const std::string& input = "");
    std::vector<std::string> RuntimeArguments(const std::vector<std::string>& arguments) const;
    std::vector<std::string> Environment() const;
    // The usual thing: `run` of a bundle made on the spot.
    Finished Run(const std::string& id, const std::vector<std::string>& args,
                 const std::string& input = "", const std::function<void(Json&)>& edit = nullptr);
    // create + start with stdio from and to files of these names below directory(); empty:
    // /dev/null.
    void Start(const std::string& id, const std::vector<std::string>& args,
               const std::string& out_file = "", const std::function<void(Json&)>& edit = nullptr);
    Json State(const std::string& id);
    // Waits until `state` says so.
    bool WaitStatus(const std::string& id, const std::string& status);

    // Processes that belong to this host (by a mark in their environment), as "pid name".
    struct Running {
        pid_t pid;
        std::string name;  // cc-proxy, cc-shim, cc-vmm, kVmm ...
    };
    std::vector<Running> Processes() const;
    // The one process of that name; 0 when there is none.
    pid_t PidOf(const std::string& name) const;
    bool Kill(const std::string& name, int signal) const;  // false when there is no such process
    // What a container leaves behind: processes (but the proxy), VM directories, state, mounts,
    // cgroups. Empty is good.
    std::vector<std::string> Residue() const;
    // Waits a little for processes that are on their way out.
    void CheckNoResidue() const;

  private:
    struct Sections {
        std::string hypervisor, factory, runtime;
    };
    explicit Host(const Sections& sections);
    bool SeesShare(pid_t pid) const;
    std::string directory_;
    std::string config_;
};

inline bool Has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}
// The last part of the host's directory, which names of its processes, mounts and cgroups contain.
std::string Tag(const Host& host);
constexpr int kKilled = 128 + SIGKILL;

std::string Sha256(const std::string& bytes);  // hex; by the program sha256sum
std::string RandomBytes(size_t count);
// Says why a test cannot run here; tests/run.sh counts and shows these lines.
void Skip(const std::string& reason);

}  // namespace cc::test
