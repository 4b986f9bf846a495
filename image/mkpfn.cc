// SPDX-License-Identifier: Apache-2.0
// mkpfn RAW IMAGE: puts the header of pfn_header.h in front of a raw file system image.
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "image/pfn_header.h"

namespace {

// More than any root image of ours; a customer's own comes ready made or is a disk.
constexpr size_t kContentLimit = size_t{1} << 30;

cc::Result<void> WriteImage(const std::string& path, std::string_view content) {
    CC_ASSIGN(cc::Fd file, cc::OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    const auto size = static_cast<off_t>(cc::kPfnContentOffset + cc::PfnPaddedSize(content.size()));
    // The zeros are holes.
    if (ftruncate(file.get(), size) != 0) return cc::FailErrno(cc::Cat("sizing ", path));
    if (lseek(file.get(), cc::kPfnSuperblockOffset, SEEK_SET) < 0)
        return cc::FailErrno(cc::Cat("seeking in ", path));
    CC_TRY(cc::Context(path, cc::WriteAll(file.get(), cc::PfnSuperblock(content))));
    if (lseek(file.get(), cc::kPfnContentOffset, SEEK_SET) < 0)
        return cc::FailErrno(cc::Cat("seeking in ", path));
    return cc::Context(path, cc::WriteAll(file.get(), content));
}

// The image appears under its name only when it is whole.
cc::Result<void> MakeImage(const std::string& raw, const std::string& image) {
    CC_ASSIGN(const std::string content, cc::ReadFile(raw, kContentLimit));
    if (content.empty()) return cc::Fail(cc::Cat(raw, " is empty"));
    const std::string temporary = image + ".new";
    cc::Result<void> written = WriteImage(temporary, content);
    if (written && rename(temporary.c_str(), image.c_str()) != 0)
        written = cc::FailErrno(cc::Cat("renaming to ", image));
    if (!written) unlink(temporary.c_str());
    return written;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: mkpfn RAW IMAGE\n", stderr);
        return 1;
    }
    if (const cc::Result<void> made = MakeImage(argv[1], argv[2]); !made) {
        std::fprintf(stderr, "mkpfn: %s\n", made.error().message.c_str());
        return 1;
    }
    return 0;
}
