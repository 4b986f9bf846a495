// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/bundle.h"

#include <cstdlib>

#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

namespace cc::runtime {

Result<std::string> RealPath(const std::string& path) {
    char* resolved = ::realpath(path.c_str(), nullptr);
    if (resolved == nullptr) return FailErrno(path);
    std::string out = resolved;
    ::free(resolved);
    return out;
}

std::string InBundle(const std::string& bundle, const std::string& path) {
    return path.starts_with('/') ? path : Cat(bundle, "/", path);
}

Result<Bundle> LoadBundle(const std::string& directory) {
    Bundle bundle;
    CC_ASSIGN(bundle.directory, Context("bundle", RealPath(directory.empty() ? "." : directory)));
    const std::string config = bundle.directory + "/config.json";
    struct stat status {};
    if (::stat(config.c_str(), &status) < 0) return FailErrno(config);
    if (!S_ISREG(status.st_mode)) return Fail(Cat(config, ": not a regular file"));
    CC_ASSIGN(bundle.text, ReadFile(config, kMaxSpecBytes));
    CC_ASSIGN(bundle.spec, Context(config, ParseSpec(bundle.text)));
    CC_TRY(Context(config, CheckSpec(bundle.spec)));
    CC_ASSIGN(bundle.rootfs, Context(Cat(config, ": root.path"),
                                     RealPath(InBundle(bundle.directory, bundle.spec.root_path))));
    if (::stat(bundle.rootfs.c_str(), &status) < 0)
        return FailErrno(Cat(config, ": root.path: ", bundle.rootfs));
    if (!S_ISDIR(status.st_mode))
        return Fail(Cat(config, ": root.path: ", bundle.rootfs, " is not a directory"), ENOTDIR);
    return bundle;
}

}  // namespace cc::runtime
