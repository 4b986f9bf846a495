// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "host/acceleration.h"

namespace cc::runtime {

namespace {

// Made by image/: the tuned kernel boots from the image alone, Debian's needs its initramfs to load
// modules.
constexpr std::string_view kTunedKernel = "vmlinux.container";
constexpr std::string_view kDebianKernel = "vmlinux.debian";
constexpr std::string_view kDebianInitrd = "initrd.debian";
constexpr std::string_view kImage = "clear-containers.img";
constexpr std::string_view kInitrd = "clear-containers.initrd";

constexpr std::string_view kHypervisors[] = {
    "/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm",
    "/usr/bin/qemu-lite-system-x86_64"};

// Of Debian 12 (qemu-system-common, in C), and where its successor in Rust is installed.
constexpr std::string_view kFileServers[] = {"/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd",
                                             "/usr/lib/virtiofsd"};

std::string Find(const std::vector<std::string>& directories, std::string_view name) {
    for (const auto& directory : directories) {
        std::string path = Cat(directory, "/", name);
        if (Exists(path)) return path;
    }
    return "";
}

// Under emulation QEMU as we build it is the better one; with KVM the distribution's, which can be
// put anywhere in memory and is kept up to date.
std::string FindOwnQemu(const RuntimeConfig& config, const std::string& executable) {
    const std::string directory = executable.substr(0, executable.rfind('/'));
    for (const auto* libexec : {"/libexec/clear-containers", "/../libexec/clear-containers"}) {
        std::string path = Cat(directory, libexec, "/", kOwnQemuName);
        if (::access(path.c_str(), X_OK) < 0) continue;
        const auto choice = ChooseAcceleration(config.acceleration);
        return choice && choice->engine == Acceleration::kTcg ? path : "";
    }
    return "";
}

Result<void> CheckReadable(std::string_view key, const std::string& path) {
    if (path.empty()) return {};
    CC_ASSIGN(const Fd fd, Context(key, OpenFile(path, O_RDONLY)));
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) return FailErrno(Cat(key, ": ", path));
    if (!S_ISREG(status.st_mode)) return Fail(Cat(key, ": ", path, " is not a regular file"));
    if (status.st_size == 0) return Fail(Cat(key, ": ", path, " is empty"));
    return {};
}

}  // namespace

std::vector<std::string> ShareDirectories(const std::string& executable) {
    const std::string directory = executable.substr(0, executable.rfind('/'));
    return {directory + "/share/clear-containers", directory + "/../share/clear-containers",
            "/usr/share/clear-containers"};
}

Result<GuestFiles> FindGuest(const RuntimeConfig& config,
                             const std::vector<std::string>& directories) {
    GuestFiles guest{config.kernel, config.image, config.initrd};
    const bool nvdimm = config.machine != MachineType::kMicrovm;
    if (guest.kernel.empty()) guest.kernel = Find(directories, kTunedKernel);
    if (guest.kernel.empty()) guest.kernel = Find(directories, kDebianKernel);
    if (guest.kernel.empty())
        return Fail(Cat("no guest kernel found: neither ", kTunedKernel, " nor ", kDebianKernel,
                        " in ", Join(directories, ", "),
                        "; build the guest with 'make', or set kernel= in configuration.toml"));
    const bool debian = guest.kernel.ends_with(Cat("/", kDebianKernel));
    if (nvdimm && guest.image.empty() && guest.initrd.empty())
        guest.image = Find(directories, kImage);
    if (guest.initrd.empty() && debian) guest.initrd = Find(directories, kDebianInitrd);
    if (guest.initrd.empty() && guest.image.empty()) guest.initrd = Find(directories, kInitrd);
    if (debian && guest.initrd.empty() && config.kernel.empty())
        return Fail(Cat(guest.kernel, " needs its ", kDebianInitrd, ", which is not in ",
                        Join(directories, ", ")));
    if (guest.image.empty() && guest.initrd.empty())
        return Fail(
            Cat("no guest root found: neither ", kImage, " nor ", kInitrd, " in ",
                Join(directories, ", "),
                "; build the guest with 'make', or set image= or initrd= in configuration.toml"));
    if (!nvdimm && !guest.image.empty())
        return Fail(
            "image= cannot be used with machine_type microvm, which has no nvdimm; set initrd= "
            "instead");
    CC_TRY(CheckReadable("guest kernel", guest.kernel));
    CC_TRY(CheckReadable("guest image", guest.image));
    CC_TRY(CheckReadable("guest initrd", guest.initrd));
    CC_TRY(CheckReadable("firmware", config.firmware));
    return guest;
}

Result<FileServerConfig> FindFileServer(const RuntimeConfig& config) {
    FileServerConfig server = config.file_server;
    if (config.shared_fs != SharedFs::kVirtioFs) return FileServerConfig();
    constexpr std::string_view remedy =
        "; install virtiofsd (Debian: qemu-system-common), set virtio_fs_daemon= in "
        "[hypervisor.qemu] of configuration.toml to its path, or shared_fs= to \"9p\"";
    if (!server.program.empty()) {
        struct stat status {};
        if (::access(server.program.c_str(), X_OK) == 0 &&
            ::stat(server.program.c_str(), &status) == 0 && S_ISREG(status.st_mode))
            return server;
        const int code = errno == 0 ? EACCES : errno;
        const std::string what = S_ISDIR(status.st_mode)
                                     ? Cat(server.program, " is a directory")
                                     : FailErrno(server.program, code).value().message;
        return Fail(Cat("the file server of shared_fs=\"virtio-fs\": ", what, remedy), code);
    }
    std::string looked;
    for (const auto candidate : kFileServers) {
        server.program = std::string(candidate);
        if (::access(server.program.c_str(), X_OK) == 0) return server;
        looked += Cat(looked.empty() ? "" : ", ", server.program);
    }
    return Fail(
        Cat("no file server for shared_fs=\"virtio-fs\" found (looked for ", looked, ")", remedy),
        ENOENT);
}

Result<std::string> FindHypervisor(const RuntimeConfig& config, const std::string& executable) {
    if (!config.hypervisor.empty()) {
        if (::access(config.hypervisor.c_str(), X_OK) < 0)
            return FailErrno(Cat("hypervisor: ", config.hypervisor));
        return config.hypervisor;
    }
    if (auto own = FindOwnQemu(config, executable); !own.empty()) return own;
    std::string looked;
    for (const auto candidate : kHypervisors) {
        std::string path(candidate);
        if (::access(path.c_str(), X_OK) == 0) return path;
        looked += Cat(looked.empty() ? "" : ", ", path);
    }
    return Fail(
        Cat("no QEMU found (looked for ", looked,
            "); install qemu-system-x86, or set path= in [hypervisor.qemu] of configuration.toml"));
}

}  // namespace cc::runtime
