// SPDX-License-Identifier: Apache-2.0
// What `check`, `env` and `collect` make of a host.
#include <doctest/doctest.h>

#include "base/json_full.h"
#include "runtime/host/capture.h"
#include "runtime/host/checks.h"
#include "runtime/host/environment.h"
#include "runtime/host/redact.h"
#include "tests/scratch.h"

namespace cc::runtime {

TEST_CASE("a machine without its parts is told what is missing and what to do") {
    const test::Scratch empty;
    RuntimeConfig config;
    config.hypervisor = empty / "no-qemu";
    config.kernel = empty / "no-kernel";
    config.run_dir = empty / "run";
    const auto checks = CheckHost(config);
    CHECK_FALSE(AllWell(checks));
    const std::string table = Table(checks);
    CHECK(table.find("FAIL hypervisor: hypervisor: " + config.hypervisor) != std::string::npos);
    CHECK(table.find("FAIL guest files: ") != std::string::npos);
    CHECK(table.find("OK   run directory: " + config.run_dir) != std::string::npos);
}

TEST_CASE("kernels are compared by number, memory by what is available") {
    CHECK(CheckKernelRelease("5.12.0").verdict == Verdict::kOk);
    CHECK(CheckKernelRelease("6.1.0-49-amd64").verdict == Verdict::kOk);
    CHECK(CheckKernelRelease("5.12-rc1").verdict == Verdict::kOk);
    CHECK(CheckKernelRelease("5.9.3").verdict == Verdict::kFail);
    CHECK(CheckKernelRelease("4.19").verdict == Verdict::kFail);
    CHECK(CheckKernelRelease("").verdict == Verdict::kFail);
    const char* meminfo = "MemTotal:  8000000 kB\nMemAvailable:    204800 kB\n";
    CHECK(CheckMemory(meminfo, 128).finding ==
          "200 MiB are available, a virtual machine gets 128 MiB");
    CHECK(CheckMemory(meminfo, 201).verdict == Verdict::kWarn);
    CHECK(CheckMemory("", 1).verdict == Verdict::kWarn);
}

TEST_CASE("the environment is a TOML document with 3.0's tables") {
    const Json environment = DescribeEnvironment({});
    for (const char* table :
         {"Meta", "Runtime", "Hypervisor", "Image", "Kernel", "Proxy", "Shim", "Agent", "Host"})
        CHECK_MESSAGE(environment[table].is_object(), table);
    CHECK(environment["Meta"]["Version"] == "1.0.9");
    CHECK(ToToml({{"A", {{"B", {{"C", true}}}, {"D", "x\"y"}}}, {"E", 1}}) ==
          "E = 1\n\n[A]\n  D = \"x\\\"y\"\n\n[A.B]\n  C = true\n");
}

TEST_CASE("names of the system and its processor are read as their files write them") {
    const char* release =
        "PRETTY_NAME=\"X\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nID=debian\n";
    CHECK(OsReleaseValue(release, "NAME") == "Debian GNU/Linux");
    CHECK(OsReleaseValue(release, "VERSION_ID") == "12");
    CHECK(OsReleaseValue(release, "ID") == "debian");
    CHECK(OsReleaseValue(release, "MISSING").empty());
    CHECK(CpuinfoValue("processor\t: 0\nmodel name\t: AMD: EPYC\n", "model name") == "AMD: EPYC");
    CHECK(CpuinfoValue("", "model name").empty());
}

TEST_CASE("secrets do not leave the machine") {
    const std::string token = std::string(43, 'A') + "=";
    CHECK(WithoutTokens("token=\"" + token + "\" x=" + token) == "token=\"<token>\" x=<token>");
    CHECK(WithoutTokens("zz" + token) == "zz<token>");
    CHECK(WithoutTokens("short=") == "short=");
    const std::string clean = WithoutSecrets(
        R"({"token":"t","process":{"env":["PASSWORD=secret","EMPTY"],"args":["sh"]}})");
    CHECK(ParseJson(clean).value() ==
          ParseJson(R"({"token":"<removed>","process":{"env":["PASSWORD=<removed>",
                       "EMPTY=<removed>"],"args":["sh"]}})")
              .value());
    CHECK(WithoutSecrets("PASSWORD=secret").find("secret") == std::string::npos);
}

TEST_CASE("a program's output is caught, and its failure explained") {
    CHECK(Capture("/bin/echo", {"hello"}).value() == "hello\n");
    CHECK(Capture("/bin/sh", {"-c", "echo first >&2; echo why >&2; exit 3"}).error().message ==
          "/bin/sh ended with status 3: \"why\"");
    CHECK_FALSE(Capture("/no/such/program", {}));
}

}  // namespace cc::runtime
