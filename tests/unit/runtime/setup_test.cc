// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/json_full.h"
#include "runtime/setup/diff.h"
#include "runtime/setup/engine.h"
#include "runtime/setup/toml_edit.h"

namespace cc::runtime {

namespace {

const std::string kPath = "/usr/local/bin/cc-runtime";

std::string Edit(const char* engine, const std::string& text, const SetupWish& wish,
                 const std::string& backup = "") {
    auto edit = (*FindEngine(engine))->edit({"/etc/file", text, backup}, wish);
    REQUIRE_MESSAGE(edit, edit.error().message);
    return edit->text;
}

std::string Refusal(const char* engine, const std::string& text) {
    auto edit = (*FindEngine(engine))->edit({"/etc/file", text, ""}, {kPath, true, false});
    REQUIRE_FALSE(edit);
    return edit.error().message;
}

bool Has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

const SetupWish kAdd{kPath, false, false}, kDefault{kPath, true, false}, kUndo{"", false, true};

// As Debian's package has it.
const std::string kContainerd = R"(version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni" # where Debian has them
)";

}  // namespace

TEST_CASE("setup adds the runtime to docker's configuration and keeps the rest in its order") {
    const std::string old =
        "{\n    \"log-level\": \"warn\",\n    \"runtimes\": {\"crun\": {\"path\": "
        "\"/usr/bin/crun\"}},\n    \"bridge\": \"none\"\n}\n";
    const std::string set = Edit("docker", old, kDefault);
    CHECK(ParseJson(set).value() ==
          ParseJson(R"({"log-level": "warn", "runtimes": {"crun": {"path": "/usr/bin/crun"},
                        "cc-runtime": {"path": "/usr/local/bin/cc-runtime"}},
                        "bridge": "none", "default-runtime": "cc-runtime"})")
              .value());
    CHECK(Has(set, "\n    \"log-level\""));
    CHECK(Edit("docker", set, kDefault) == set);
    // Once more without --default leaves the default.
    CHECK(Edit("docker", set, kAdd) == set);
    CHECK(Edit("docker", set, kUndo, old) == old);
}

TEST_CASE("undoing docker's setup removes just what setup added") {
    CHECK(Edit("docker", Edit("docker", "", kDefault), kUndo).empty());
    const std::string other = R"({"default-runtime": "crun"})";
    const std::string set = Edit("docker", other, kDefault);
    CHECK(Has(set, R"("default-runtime": "cc-runtime")"));
    // Something was written to the file since.
    Json later = ParseJson(set).value();
    later["debug"] = true;
    CHECK(ParseJson(Edit("docker", DumpJson(later), kUndo, other)).value() ==
          ParseJson(R"({"default-runtime": "crun", "debug": true})").value());
    CHECK(Edit("docker", other, kUndo) == other);
    CHECK(Edit("docker", "{}", kUndo) == "{}");
}

TEST_CASE("broken configuration is refused with file and line") {
    CHECK(Has(Refusal("docker", "{\n  \"a\": 1,\n}"), "line 3"));
    CHECK(Has(Refusal("docker", R"({"runtimes": []})"), "/etc/file: runtimes is not an object"));
    CHECK(Has(Refusal("docker", "[]"), "not an object"));
    for (const char* engine : {"containerd", "podman", "crio"})
        CHECK(Has(Refusal(engine, "version = 2\n\n[x\n"), "/etc/file:3: "));
    CHECK(Has(Refusal("containerd", "root = \"/x\"\n"), "/etc/file: the file is of version 1"));
    CHECK_FALSE(FindEngine("rkt"));
}

TEST_CASE("containerd's configuration keeps every byte and gains a handler") {
    const std::string set = Edit("containerd", kContainerd, kDefault);
    CHECK(set.starts_with(kContainerd));
    const std::string added = set.substr(kContainerd.size());
    CHECK(Has(added, "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.cc-runtime]"));
    // Or there would be no runc any more.
    CHECK(Has(added, "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]"));
    CHECK(Has(added, "BinaryName = \"/usr/local/bin/cc-runtime\""));
    CHECK(Has(added, "default_runtime_name = \"cc-runtime\""));
    CHECK_FALSE(Has(added, "SystemdCgroup"));
    CHECK(Edit("containerd", set, kDefault) == set);
    CHECK(Edit("containerd", set, kUndo) == kContainerd);
    const std::string fresh = Edit("containerd", "", kAdd);
    CHECK(fresh.starts_with("version = 2"));
    CHECK(Edit("containerd", fresh, kUndo).empty());
    CHECK(Has(Edit("containerd", "version = 3\n", kAdd),
              "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.cc-runtime.options]"));
}

TEST_CASE("containerd's own default and kind of cgroups are minded") {
    const std::string old = R"(version = 2
disabled_plugins = ["cri"]
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"   # as ever
  snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
)";
    const std::string set = Edit("containerd", old, kDefault);
    CHECK(Has(set, "\n  default_runtime_name = \"cc-runtime\""));
    CHECK(Has(set, "was:   default_runtime_name = \"runc\"   # as ever\n"));
    CHECK_FALSE(Has(set, ".runtimes.runc]"));
    CHECK(Has(set, "SystemdCgroup = true  # cc-runtime setup"));
    CHECK(Edit("containerd", set, kUndo) == old);
    const auto edit = (*FindEngine("containerd"))->edit({"/etc/file", old, ""}, kAdd).value();
    CHECK(edit.notes.size() == 1);
}

TEST_CASE("podman and CRI-O get files of their own, which go with undo") {
    const std::string podman = Edit("podman", "", kDefault);
    CHECK(Has(podman, "cc-runtime = [\"/usr/local/bin/cc-runtime\"]"));
    CHECK(Has(podman, "runtime = \"cc-runtime\""));
    CHECK(Edit("podman", podman, kUndo).empty());
    const std::string crio = Edit("crio", "", kAdd);
    CHECK(Has(crio, "[crio.runtime.runtimes.cc-runtime]"));
    CHECK_FALSE(Has(crio, "default_runtime"));
    CHECK(Edit("crio", crio, kUndo).empty());
}

TEST_CASE("tables that are there are gone on with") {
    const std::string old =
        "[engine] # the engine\n\truntime = \"crun\"\n[engine.runtimes]\n"
        "crun = [\n  \"/usr/bin/crun\",\n]\ncc-runtime = [\n  \"/old\", # older\n]";
    const std::string set = Edit("podman", old, kDefault);
    CHECK(Has(set, "\n\truntime = \"cc-runtime\""));
    CHECK(Has(set, "\ncc-runtime = [\"/usr/local/bin/cc-runtime\"]"));
    CHECK(Edit("podman", set, kUndo) == old + "\n");
    // No place for a line of ours.
    for (const char* inlined :
         {"engine = {runtime = \"crun\"}\n", "engine = 1\n", "engine.runtimes.x = [\"y\"]\n"}) {
        CAPTURE(inlined);
        CHECK(Has(Refusal("podman", inlined), "/etc/file:"));
    }
}

TEST_CASE("undo keeps a table that somebody else wrote into") {
    std::string set = Edit("podman", "", kAdd);
    set += "  other = [\"/bin/other\"]\n";
    CHECK(Edit("podman", set, kUndo) == "[engine.runtimes]\n  other = [\"/bin/other\"]\n");
}

TEST_CASE("a difference shows the changed lines with three around them") {
    CHECK(UnifiedDiff("a\n", "a\n").empty());
    CHECK(UnifiedDiff("", "a\nb\n") == "@@ -0,0 +1,2 @@\n+a\n+b\n");
    CHECK(UnifiedDiff("a\nb\n", "") == "@@ -1,2 +0,0 @@\n-a\n-b\n");
    CHECK(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n") ==
          "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    // Far enough apart for two hunks.
    CHECK(UnifiedDiff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n") ==
          "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
    CHECK(UnifiedDiff("x\na\nb\nc\ny\n", "x\nb\nd\nc\ny\n") ==
          "@@ -1,5 +1,5 @@\n x\n-a\n b\n+d\n c\n y\n");
}

}  // namespace cc::runtime
