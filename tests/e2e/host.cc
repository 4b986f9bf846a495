// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/host.h"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "protocol/vm_config.h"

namespace cc::test {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::string_view kMark = "CC_TEST_HOST=";

std::string RuntimePath() {
    return CC_BIN_DIR "/cc-runtime";
}

std::string MountTable() {
    return ReadFile("/proc/self/mountinfo", 1 << 22).value();
}

// Reads what is there; false at end of file.
bool Drain(int fd, std::string& into) {
    char bytes[65536];
    const ssize_t count = ::read(fd, bytes, sizeof bytes);
    if (count > 0) into.append(bytes, static_cast<size_t>(count));
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

Json DefaultConfig(const std::vector<std::string>& args, const std::string& rootfs) {
    Json config = Json::parse(R"({
      "ociVersion": "1.0.2",
      "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/",
        "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"], "noNewPrivileges": true,
        "capabilities": {}, "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]},
      "root": {"readonly": false},
      "hostname": "guest",
      "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["nosuid", "noexec", "nodev", "ro"]}],
      "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
        {"type": "mount"}]}})");
    const Json capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL",   "CAP_NET_BIND_SERVICE",
                               "CAP_CHOWN",       "CAP_SETUID", "CAP_SETGID"};
    for (const char* set : {"bounding", "effective", "permitted"})
        config["process"]["capabilities"][set] = capabilities;
    config["process"]["args"] = args;
    config["root"]["path"] = rootfs;
    return config;
}

void MakeRootfs(const std::string& path) {
    for (const char* directory : {"bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"})
        fs::create_directories(path + "/" + directory);
    fs::copy_file("/bin/busybox", path + "/bin/busybox");
    const Finished list = RunProgram("/bin/busybox", {"busybox", "--list"});
    for (const auto& applet : Split(list.out, '\n'))
        if (!applet.empty() && applet != "busybox")
            fs::create_symlink("busybox", path + "/bin/" + applet);
    REQUIRE(WriteFileAtomic(path + "/etc/passwd",
                            "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0644));
    REQUIRE(WriteFileAtomic(path + "/etc/group", "root:x:0:\nuser:x:1000:\n", 0644));
    ::chmod((path + "/tmp").c_str(), 01777);
}

}  // namespace

Finished RunProgram(const std::string& executable, const std::vector<std::string>& arguments,
                    const std::string& input, const std::vector<std::string>& extra_environment,
                    milliseconds patience) {
    FdPair in = MakePipe().value(), out = MakePipe().value(), err = MakePipe().value();
    SpawnOptions options;
    options.executable = executable;
    options.arguments = arguments;
    options.environment.emplace();
    for (char** entry = environ; *entry != nullptr; ++entry)
        options.environment->push_back(*entry);
    for (const auto& entry : extra_environment)
        options.environment->push_back(entry);
    options.fds = {{in.first.get(), 0}, {out.second.get(), 1}, {err.second.get(), 2}};
    auto process = Spawn(options);
    REQUIRE_MESSAGE(process, process.error().message);
    in.first.Reset();
    out.second.Reset();
    err.second.Reset();
    REQUIRE(SetNonBlocking(in.second.get()));

    Finished finished;
    std::string_view left = input;
    const auto end = Clock::now() + patience;
    bool out_open = true, err_open = true;
    while (out_open || err_open) {
        if (left.empty()) in.second.Reset();
        pollfd fds[] = {{out_open ? out.first.get() : -1, POLLIN, 0},
                        {err_open ? err.first.get() : -1, POLLIN, 0},
                        {in.second.get(), POLLOUT, 0}};
        const auto rest = std::chrono::duration_cast<milliseconds>(end - Clock::now()).count();
        if (rest <= 0) break;
        if (::poll(fds, 3, static_cast<int>(rest)) <= 0) continue;
        if (fds[0].revents != 0) out_open = Drain(out.first.get(), finished.out);
        if (fds[1].revents != 0) err_open = Drain(err.first.get(), finished.err);
        if (fds[2].revents != 0) {
            const ssize_t count = ::write(in.second.get(), left.data(), left.size());
            if (count >= 0)
                left.remove_prefix(static_cast<size_t>(count));
            else if (errno != EAGAIN)
                left = {};  // the reader has gone: no more input for it
        }
    }
    const auto rest = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (!process->WaitEnd(std::max(rest, milliseconds(0))).value_or(false)) {
        process->Kill();
        return finished;
    }
    finished.status = ExitCodeOf(process->Reap().value());
    return finished;
}

namespace {

// Of [hypervisor.qemu]. Small, so that machines grow for what containers ask for.
constexpr std::string_view kSmallMachine = "default_memory = 128\n";
constexpr std::string_view kVirtioFs = "shared_fs = \"virtio-fs\"\n";

// What the environment asks for, unless the test has asked itself.
std::string_view SharedFsLine(const std::string& hypervisor_lines) {
    const char* wanted = ::getenv("CC_TEST_SHARED_FS");
    const bool asked = hypervisor_lines.find("shared_fs") != std::string::npos;
    return !asked && wanted != nullptr && std::string_view(wanted) == "virtio-fs" ? kVirtioFs : "";
}

// Made by the first host that needs it, and ended with this program.
class SharedTemplates {
  public:
    explicit SharedTemplates(std::string_view hypervisor_lines) {
        char name[] = "/tmp/cc-e2e-templates.XXXXXX";
        directory_ = ::mkdtemp(name);
        // No pool: what waits in it is not to be found among the processes of a host.
        const std::string lines = Cat("[hypervisor.qemu]\n", kSmallMachine, hypervisor_lines,
                                      "[factory]\n", Lines(), "\n");
        REQUIRE(WriteFileAtomic(Config(), lines, 0644));
        const Finished built = RunProgram(RuntimePath(), Arguments({"build"}));
        CHECK_MESSAGE(built.status == 0, built.err);
    }
    ~SharedTemplates() {
        // After the last test: nothing is checked any more.
        SpawnOptions options;
        options.executable = RuntimePath();
        options.arguments = Arguments({"rm", "--all"});
        if (auto process = Spawn(options)) (void)process->Reap();
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }
    std::string Lines() const {
        return Cat("vm_cache_number = 0\ntemplate_path = \"", directory_, "/t\"");
    }

  private:
    std::string Config() const { return directory_ + "/configuration.toml"; }
    std::vector<std::string> Arguments(std::vector<std::string> words) const {
        words.insert(words.begin(), {"cc-runtime", "--cc-config", Config(), "template"});
        return words;
    }
    std::string directory_;
};

std::string SharedTemplateLines() {
    static const SharedTemplates templates(SharedFsLine(""));
    return templates.Lines();
}

std::string VirtioFsTemplateLines() {
    static const SharedTemplates templates(kVirtioFs);
    return templates.Lines();
}

}  // namespace

Host::Host(const std::string& hypervisor_lines, const std::string& runtime_lines)
    : Host(Sections{hypervisor_lines,
                    hypervisor_lines.empty() ? SharedTemplateLines() : "enable_template = false",
                    runtime_lines}) {}

Host Host::WithVirtioFs() {
    return Host(Sections{std::string(kVirtioFs), VirtioFsTemplateLines(), ""});
}

Host Host::WithTemplates(const std::string& factory_lines, const std::string& hypervisor_lines) {
    return Host(Sections{hypervisor_lines, factory_lines, ""});
}

Host::Host(const Sections& sections) {
    char name[] = "/tmp/cc-e2e.XXXXXX";
    directory_ = ::mkdtemp(name);
    MakeRootfs(rootfs());
    config_ = directory_ + "/configuration.toml";
    const bool sized = sections.hypervisor.find("default_memory") != std::string::npos;
    REQUIRE(WriteFileAtomic(
        config_,
        Cat("[hypervisor.qemu]\n", sized ? "" : kSmallMachine, SharedFsLine(sections.hypervisor),
            sections.hypervisor, "\n[factory]\n", sections.factory, "\n[runtime]\nrun_dir = \"",
            run_directory(), "\"\n", sections.runtime, "\n"),
        0644));
}

Host::~Host() {
    if (Exists(template_path())) CHECK(Runtime({"template", "rm", "--all"}).status == 0);
    CheckNoResidue();
    for (const auto& process : Processes()) {
        if (process.name == "cc-proxy") {
            ::kill(process.pid, SIGTERM);
        } else {
            // Already reported by CheckNoResidue; the next test shall not suffer for it.
            ::kill(process.pid, SIGKILL);
        }
    }
    for (int i = 0; i < 100 && !Processes().empty(); ++i)
        std::this_thread::sleep_for(milliseconds(50));
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

std::string Host::Bundle(const std::string& name, const std::vector<std::string>& args,
                         const std::function<void(Json&)>& edit) {
    const std::string path = directory_ + "/bundles/" + name;
    fs::create_directories(path);
    Json config = DefaultConfig(args, rootfs());
    if (edit) edit(config);
    REQUIRE(WriteFileAtomic(path + "/config.json", DumpJson(config), 0644));
    return path;
}

std::vector<std::string> Host::RuntimeArguments(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"cc-runtime", "--cc-config", config_, "--root", root()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

std::vector<std::string> Host::Environment() const {
    return {Cat(kMark, directory_)};
}

Finished Host::Runtime(const std::vector<std::string>& arguments, const std::string& input) {
    return RunProgram(RuntimePath(), RuntimeArguments(arguments), input, Environment());
}

Finished Host::Run(const std::string& id, const std::vector<std::string>& args,
                   const std::string& input, const std::function<void(Json&)>& edit) {
    return Runtime({"run", "--bundle", Bundle(id, args, edit), id}, input);
}

void Host::Start(const std::string& id, const std::vector<std::string>& args,
                 const std::string& out_file, const std::function<void(Json&)>& edit) {
    const std::string out_path = out_file.empty() ? "/dev/null" : directory_ + "/" + out_file;
    const Fd in = OpenFile("/dev/null", O_RDONLY).value();
    const Fd out = OpenFile(out_path, O_WRONLY | O_CREAT | O_APPEND, 0644).value();
    const Fd err =
        OpenFile(directory_ + "/" + id + ".create.err", O_WRONLY | O_CREAT | O_TRUNC, 0644).value();
    SpawnOptions options;
    options.executable = RuntimePath();
    options.arguments = RuntimeArguments({"create", "--bundle", Bundle(id, args, edit), id});
    options.environment.emplace();
    for (char** entry = environ; *entry != nullptr; ++entry)
        options.environment->push_back(*entry);
    options.environment->push_back(Environment().front());
    options.fds = {{in.get(), 0}, {out.get(), 1}, {err.get(), 2}};
    auto create = Spawn(options);
    REQUIRE_MESSAGE(create, create.error().message);
    REQUIRE(create->WaitEnd(kPatience).value_or(false));
    const int status = ExitCodeOf(create->Reap().value());
    REQUIRE_MESSAGE(status == 0, ReadFile(directory_ + "/" + id + ".create.err", 1 << 20).value());
    const Finished start = Runtime({"start", id});
    REQUIRE_MESSAGE(start.status == 0, start.err);
}

Json Host::State(const std::string& id) {
    const Finished state = Runtime({"state", id});
    REQUIRE_MESSAGE(state.status == 0, state.err);
    return Json::parse(state.out);
}

bool Host::WaitStatus(const std::string& id, const std::string& status) {
    const auto end = Clock::now() + kPatience;
    while (Clock::now() < end) {
        if (State(id)["status"] == status) return true;
        std::this_thread::sleep_for(milliseconds(100));
    }
    return false;
}

bool Host::SeesShare(pid_t pid) const {
    const auto mounts = ReadFile(Cat("/proc/", pid, "/mountinfo"), 1 << 22);
    for (const auto& line : Split(mounts.value_or(""), '\n'))
        if (line.find(" cc-share ") != std::string::npos &&
            line.find(directory_) != std::string::npos)
            return true;
    return false;
}

std::vector<Host::Running> Host::Processes() const {
    std::vector<Running> running;
    const auto entries = ListDirectory("/proc").value();
    for (const auto& entry : entries) {
        const auto pid = ParseNumber<pid_t>(entry);
        if (!pid || *pid == ::getpid()) continue;
        const auto environment = ReadFile(Cat("/proc/", entry, "/environ"), 1 << 20);
        const auto command = ReadFile(Cat("/proc/", entry, "/cmdline"), 1 << 20);
        if (!environment || !command || command->empty()) continue;  // gone, or a zombie
        // The VMM and the share's server have environments of their own; a command line, or the
        // share among the mounts that only a VM's processes see, names the VM's directory.
        const bool qemu = command->find("qemu") != std::string::npos;
        if (environment->find(Cat(kMark, directory_)) == std::string::npos &&
            (!qemu || (command->find(directory_) == std::string::npos && !SeesShare(*pid))))
            continue;
        // A shim's command line is that of the process it stands for.
        const std::string name{Trim(ReadFile(Cat("/proc/", entry, "/comm"), 64).value_or(""))};
        const std::string argv0 = command->substr(0, command->find('\0'));
        const std::string program = argv0.substr(argv0.rfind('/') + 1);
        const bool vmm = program == kOwnQemuName || program == "qemu-system-x86_64";
        running.push_back({*pid, name == "cc-shim" ? name : vmm ? kVmm : program});
    }
    return running;
}

pid_t Host::PidOf(const std::string& name) const {
    for (const auto& process : Processes())
        if (process.name == name) return process.pid;
    return 0;
}

bool Host::Kill(const std::string& name, int signal) const {
    const pid_t pid = PidOf(name);
    return pid > 0 && ::kill(pid, signal) == 0;
}

std::vector<std::string> Host::Residue() const {
    std::vector<std::string> residue;
    for (const auto& process : Processes())
        if (process.name != "cc-proxy")
            residue.push_back(Cat("process ", process.pid, " ", process.name));
    for (const std::string& path :
         {root() + "/containers", root() + "/sandboxes", run_directory() + "/vm"})
        if (const auto names = ListDirectory(path))
            for (const auto& name : *names)
                residue.push_back(Cat(path, "/", name));
    for (const auto& mount : Split(MountTable(), '\n'))
        if (mount.find(directory_) != std::string::npos) residue.push_back("mount " + mount);
    const std::string tag = directory_.substr(directory_.rfind('/') + 1);
    std::error_code ignored;
    for (fs::recursive_directory_iterator entry(
             "/sys/fs/cgroup", fs::directory_options::skip_permission_denied, ignored);
         entry != fs::recursive_directory_iterator(); entry.increment(ignored))
        if (entry->is_directory(ignored) &&
            entry->path().filename().string().find(tag) != std::string::npos)
            residue.push_back("cgroup " + entry->path().string());
    return residue;
}

void Host::CheckNoResidue() const {
    std::vector<std::string> residue;
    for (int i = 0; i < 40; ++i) {
        residue = Residue();
        if (residue.empty()) break;
        std::this_thread::sleep_for(milliseconds(50));
    }
    CHECK_MESSAGE(residue.empty(), "left behind:\n", Join(residue, "\n"));
}

std::string Tag(const Host& host) {
    return host.directory().substr(host.directory().rfind('/') + 1);
}

std::string Sha256(const std::string& bytes) {
    return RunProgram("/usr/bin/sha256sum", {"sha256sum"}, bytes).out.substr(0, 64);
}

std::string RandomBytes(size_t count) {
    std::string bytes(count, '\0');
    for (size_t at = 0; at < count;) {
        const ssize_t got = ::getrandom(bytes.data() + at, count - at, 0);
        REQUIRE(got > 0);
        at += static_cast<size_t>(got);
    }
    return bytes;
}

void Skip(const std::string& reason) {
    std::printf("SKIPPED: %s\n", reason.c_str());
}

}  // namespace cc::test
