// SPDX-License-Identifier: Apache-2.0
#include "agent/executor/program.h"

#include <cctype>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace cc::agent {

namespace {

// The engines compare with Go's texts of errors, which begin in lower case.
std::string LowerText(int error) {
    char buffer[128];
    std::string text = strerror_r(error, buffer, sizeof buffer);
    if (!text.empty())
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

// 0, or the errno that says why the file cannot be executed.
int WhyNot(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) return errno;
    if (S_ISDIR(status.st_mode)) return EISDIR;
    // Root may access everything, but execute only what somebody may.
    if ((status.st_mode & 0111) == 0 || ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0)
        return EACCES;
    return 0;
}

std::string SearchPath(const std::vector<std::string>& env) {
    // Of a variable that is there twice the last one counts, as in Go.
    for (auto variable = env.rbegin(); variable != env.rend(); ++variable)
        if (variable->starts_with("PATH=")) return variable->substr(5);
    return {};
}

std::vector<char*> CStrings(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const auto& text : texts)
        pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

Result<std::string> FindProgram(const std::string& name, const std::vector<std::string>& env) {
    if (name.find('/') != std::string::npos) {
        const int error = WhyNot(name);
        if (error == 0) return name;
        const bool missing = error == ENOENT || error == ENOTDIR;
        return Fail(Cat("exec: ", Quoted(name), ": ", missing ? Cat("stat ", name, ": ") : "",
                        LowerText(error),
                        // What engines look for; of directories only the newer ones have heard.
                        error == EISDIR ? ": permission denied" : ""),
                    error);
    }
    bool denied = false;
    for (const auto& directory : Split(SearchPath(env), ':')) {
        const std::string candidate = Cat(directory.empty() ? "." : directory, "/", name);
        const int error = WhyNot(candidate);
        if (error == 0) return candidate;
        denied = denied || error == EACCES;
    }
    if (denied) return Fail(Cat("exec: ", Quoted(name), ": permission denied"), EACCES);
    return Fail(Cat("exec: ", Quoted(name), ": executable file not found in $PATH"), ENOENT);
}

Result<void> Execute(const std::string& program, const std::vector<std::string>& args,
                     const std::vector<std::string>& env) {
    const auto argv = CStrings(args);
    const auto envp = CStrings(env);
    ::execve(program.c_str(), argv.data(), envp.data());
    const int error = errno;
    return Fail(Cat("exec ", program, ": ", LowerText(error)), error);
}

}  // namespace cc::agent
