// SPDX-License-Identifier: Apache-2.0
#include "protocol/template_failure.h"

#include <ctime>

#include <fcntl.h>

#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"
#include "protocol/template_verbs.h"

namespace cc {

namespace {

constexpr size_t kMaxFile = kMaxVmMessage;
constexpr JsonLimits kFailureLimits{.bytes = kMaxFile, .depth = 4};

}  // namespace

std::string Encode(const TemplateFailure& failure) {
    return DumpJson({{"boot_seconds", failure.boot_seconds}, {"error", failure.error}});
}

Result<TemplateFailure> ParseTemplateFailure(std::string_view text) {
    CC_ASSIGN(const Json document,
              Context("a template's failure", ParseJson(text, kFailureLimits)));
    TemplateFailure failure;
    CC_ASSIGN(failure.boot_seconds, IntMember(document, "boot_seconds", 0, 0, INT64_MAX));
    CC_ASSIGN(failure.error, StringMember(document, "error"));
    if (failure.error.empty()) return Fail("a template's failure: it does not say why");
    return failure;
}

int64_t SecondsSinceBoot() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

Result<void> WriteTemplateFailure(const std::string& directory, const std::string& why) {
    return WriteFileAtomic(Cat(directory, "/", kTemplateFailureName),
                           Encode(TemplateFailure{SecondsSinceBoot(), why}), 0600);
}

Result<TemplateFailure> ReadTemplateFailure(const std::string& directory) {
    const std::string path = Cat(directory, "/", kTemplateFailureName);
    // Whatever was put there: opening it must not wait for anybody.
    CC_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    CC_ASSIGN(const std::string text, Context(Cat("reading ", path), ReadAll(fd.get(), kMaxFile)));
    return ParseTemplateFailure(text);
}

}  // namespace cc
