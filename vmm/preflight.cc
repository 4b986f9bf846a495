// SPDX-License-Identifier: Apache-2.0
#include "vmm/preflight.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "vmm/kernel_line.h"

namespace cc {

namespace {

// Where the namespace's information block lies in an image with an nd_pfn header (Linux,
// drivers/nvdimm/pfn.h).
constexpr off_t kPfnHeaderOffset = 4096;
constexpr std::string_view kPfnSignature = "NVDIMM_PFN_INFO";

struct Role {
    std::string_view what;
    std::string_view remedy;
};

Result<Fd> OpenReadable(const Role& role, const std::string& path) {
    const auto remedy = Cat("; ", role.remedy);
    if (path.empty()) return Fail(Cat("no ", role.what, " is configured", remedy));
    if (path.front() != '/')
        return Fail(Cat(role.what, " ", Quoted(path), " is not an absolute path", remedy));
    // Non-blocking: a FIFO in its place must not stop us.
    auto file = OpenFile(path, O_RDONLY | O_NONBLOCK);
    if (!file) {
        const int code = file.error().code;
        return Fail(Cat(FailErrno(Cat(role.what, " ", Quoted(path)), code).value().message, remedy),
                    code);
    }
    struct stat status {};
    if (::fstat(file->get(), &status) < 0) return FailErrno(Cat(role.what, " ", Quoted(path)));
    if (!S_ISREG(status.st_mode))
        return Fail(Cat(role.what, " ", Quoted(path), " is not a regular file", remedy));
    if (status.st_size == 0) return Fail(Cat(role.what, " ", Quoted(path), " is empty", remedy));
    return std::move(*file);
}

Result<void> CheckImage(const VmConfig& config, Preflight& found) {
    CC_ASSIGN(
        const Fd image,
        OpenReadable({"root image", R"(set "image" in configuration.toml to an existing file)"},
                     config.image));
    struct stat status {};
    if (::fstat(image.get(), &status) < 0)
        return FailErrno(Cat("root image ", Quoted(config.image)));
    found.image_bytes = status.st_size;
    std::string signature(kPfnSignature.size(), '\0');
    if (::pread(image.get(), signature.data(), signature.size(), kPfnHeaderOffset) < 0 ||
        signature != kPfnSignature)
        found.warning = Cat(
            "the root image ", Quoted(config.image),
            " has no nd_pfn header: the guest will copy it into its memory instead of mapping it");
    return {};
}

}  // namespace

Result<void> CheckVmDirectory(const std::string& directory) {
    if (directory.empty() || directory.front() != '/')
        return Fail(Cat("the VM's directory ", Quoted(directory), " is not an absolute path"));
    struct stat status {};
    if (::lstat(directory.c_str(), &status) < 0)
        return FailErrno(Cat("the VM's directory ", Quoted(directory)));
    if (!S_ISDIR(status.st_mode))
        return Fail(Cat("the VM's directory ", Quoted(directory), " is not a directory"));
    if (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
        return Fail(Cat("the VM's directory ", Quoted(directory),
                        " can be written by others; make it 0700 and ours"));
    return {};
}

Result<Preflight> CheckVmConfig(const VmConfig& config) {
    Preflight found;
    CC_TRY(OpenReadable(
        {"hypervisor", R"(install qemu-system-x86, or set "path" in configuration.toml)"},
        config.hypervisor));
    if (::access(config.hypervisor.c_str(), X_OK) < 0)
        return FailErrno(Cat("the hypervisor ", Quoted(config.hypervisor), " cannot be executed"));
    CC_TRY(
        OpenReadable({"guest kernel", R"(set "kernel" in configuration.toml to an existing file)"},
                     config.kernel));
    if (!config.initrd.empty())
        CC_TRY(OpenReadable({"initrd", R"(set "initrd" in configuration.toml to an existing file)"},
                            config.initrd));
    if (!config.firmware.empty())
        CC_TRY(OpenReadable(
            {"firmware", R"(set "firmware" in configuration.toml to an existing file)"},
            config.firmware));
    if (config.shared_fs == SharedFs::kVirtioFs) {
        const std::string& program = config.file_server.program;
        CC_TRY(OpenReadable(
            {"file server",
             R"(install virtiofsd, set "virtio_fs_daemon", or set "shared_fs" to "9p")"},
            program));
        if (::access(program.c_str(), X_OK) < 0)
            return FailErrno(Cat("the file server ", Quoted(program), " cannot be executed"));
    }
    if (HasRootImage(config)) CC_TRY(CheckImage(config, found));
    if (!HasRootImage(config) && config.initrd.empty())
        return Fail(
            config.machine == MachineType::kMicrovm
                ? "machine type microvm cannot map a root image; set \"initrd\" in "
                  "configuration.toml"
                : "the guest has no root: set \"image\" or \"initrd\" in configuration.toml");
    return found;
}

}  // namespace cc
