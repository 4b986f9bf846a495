// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest_assets.h"

#include <array>
#include <cstdlib>
#include <memory>

#include <fcntl.h>
#include <fnmatch.h>
#include <nettle/sha2.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace cc::runtime {

namespace {

using Annotations = std::map<std::string, std::string>;

constexpr std::string_view kPrefix = "com.github.containers.virtcontainers.";
constexpr std::string_view kHashType = "sha512";
constexpr size_t kReadSize = 64 * 1024;

// Empty: not there.
std::string AnnotationOf(const Annotations& annotations, std::string_view name) {
    const auto found = annotations.find(Cat(kPrefix, name));
    return found == annotations.end() ? "" : found->second;
}

// Symbolic links and ".." are followed before it is compared, and what they lead to is used.
Result<std::string> Allowed(const std::string& path, const std::vector<std::string>& patterns) {
    if (path[0] != '/') return Fail(Cat(Quoted(path), " is not an absolute path"));
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr),
                                                               &std::free);
    if (!resolved) return FailErrno(path);
    for (const auto& pattern : patterns)
        if (::fnmatch(pattern.c_str(), resolved.get(), FNM_PATHNAME) == 0) return resolved.get();
    return Fail(Cat("no container may choose ", resolved.get(),
                    "; add it, or a pattern like \"/usr/share/guests/*\", to asset_annotations in "
                    "[hypervisor.qemu] of configuration.toml"));
}

Result<void> Choose(std::string& path, const Annotations& annotations, std::string_view name,
                    const RuntimeConfig& config) {
    const std::string wanted = AnnotationOf(annotations, name);
    if (wanted.empty()) return {};
    CC_ASSIGN(path, Context(Cat("annotation ", kPrefix, name),
                            Allowed(wanted, config.asset_annotations)));
    return {};
}

Result<std::string> Sha512(const std::string& path) {
    CC_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY));
    sha512_ctx context;
    ::sha512_init(&context);
    std::array<uint8_t, kReadSize> bytes;
    while (true) {
        const ssize_t count = ::read(fd.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return FailErrno(Cat("reading ", path));
        if (count == 0) break;
        ::sha512_update(&context, static_cast<size_t>(count), bytes.data());
    }
    std::string digest(SHA512_DIGEST_SIZE, '\0');
    ::sha512_digest(&context, digest.size(), reinterpret_cast<uint8_t*>(digest.data()));
    return HexEncode(digest);
}

Result<void> Verify(const std::string& path, const Annotations& annotations,
                    std::string_view name) {
    const std::string wanted = AnnotationOf(annotations, name);
    if (wanted.empty()) return {};
    const auto verified = [&]() -> Result<void> {
        if (path.empty()) return Fail("the guest has no such file");
        CC_ASSIGN(const std::string found, Sha512(path));
        if (::strcasecmp(found.c_str(), wanted.c_str()) == 0) return {};
        return Fail(Cat(path, " has the SHA-512 ", found, ", not ", Quoted(wanted, 160)));
    }();
    return Context(Cat("annotation ", kPrefix, name), verified);
}

}  // namespace

Result<GuestFiles> ChooseGuest(const RuntimeConfig& config, const Annotations& annotations,
                               const std::vector<std::string>& directories) {
    RuntimeConfig chosen = config;
    CC_TRY(Choose(chosen.kernel, annotations, "KernelPath", config));
    std::string image, initrd;
    CC_TRY(Choose(image, annotations, "ImagePath", config));
    CC_TRY(Choose(initrd, annotations, "InitrdPath", config));
    if (!image.empty() && !initrd.empty())
        return Fail(
            Cat("the annotations ", kPrefix, "ImagePath and InitrdPath exclude one another"));
    const bool root_chosen = !image.empty() || !initrd.empty();
    if (root_chosen) {
        chosen.image = std::move(image);
        chosen.initrd = std::move(initrd);
    }
    const std::string type = AnnotationOf(annotations, "AssetHashType");
    if (!type.empty() && type != kHashType)
        return Fail(Cat("annotation ", kPrefix, "AssetHashType: ", Quoted(type, 32), " is not ",
                        kHashType));
    CC_ASSIGN(GuestFiles guest, FindGuest(chosen, directories));
    guest.kernel_chosen = !AnnotationOf(annotations, "KernelPath").empty();
    guest.root_chosen = root_chosen;
    CC_TRY(Verify(guest.kernel, annotations, "KernelHash"));
    CC_TRY(Verify(guest.image, annotations, "ImageHash"));
    CC_TRY(Verify(guest.initrd, annotations, "InitrdHash"));
    return guest;
}

}  // namespace cc::runtime
