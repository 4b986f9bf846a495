// SPDX-License-Identifier: Apache-2.0
#include <set>

#include <doctest/doctest.h>

#include "protocol/agent_messages.h"
#include "protocol/client_messages.h"
#include "protocol/disk.h"
#include "protocol/go_json.h"
#include "protocol/vm_config.h"
#include "protocol/vm_verbs.h"

namespace cc {

TEST_CASE(
    "keys match without regard to case, unknown ones are ignored, missing ones are zero, as in "
    "Go") {
    const auto attach = ParseAttachVm(R"({"CONTAINERID":"a","extra":[1,{}]})");
    REQUIRE(attach);
    CHECK(attach->container_id == "a");
    CHECK(attach->num_io_streams == 0);
}

TEST_CASE("payloads of a wrong type or shape are errors that name the key") {
    CHECK_FALSE(ParseAttachVm(""));
    CHECK_FALSE(ParseAttachVm("[]"));
    CHECK_FALSE(ParseAttachVm("{nope"));
    CHECK_FALSE(ParseSignal(R"({"signalNumber":1.5})"));
    CHECK_FALSE(ParseSignal(R"({"signalNumber":18446744073709551615})"));
    CHECK_FALSE(ParseHyper(R"({"hyperName":"ping","tokens":[1]})"));
    const auto wrong = ParseAttachVm(R"({"containerId":7})");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find("containerId") != std::string::npos);
}

TEST_CASE("JSON that is too deep, too long or has a key twice is refused") {
    CHECK_FALSE(ParseHyper("{\"data\":" + std::string(100, '[') + std::string(100, ']') + "}"));
    CHECK_FALSE(ParseJson(std::string(2 << 20, ' ')));
    CHECK_FALSE(ParseJson(R"({"a":1,"a":2})"));
}

TEST_CASE("the data of a Hyper command is passed on byte for byte") {
    const std::string data = R"({ "a" : 1.50e3, "b":"\u00e9<x>\"}" ,"c":[ {} , [ "]" ] ]})";
    for (const std::string& payload :
         {R"({"hyperName":"startpod","tokens":null,"data":)" + data + "}",
          R"({ "data" : )" + data + R"( , "hyperName":"startpod" })"}) {
        const auto hyper = ParseHyper(payload);
        REQUIRE(hyper);
        CHECK(hyper->data == data);
    }
    CHECK(ParseHyper(R"({"hyperName":"ping","tokens":["data"]})")->data.empty());
    CHECK(ParseHyper(R"({"hyperName":"x","data":7})")->data == "7");
}

TEST_CASE("tokens are 44 well-formed characters and never the same") {
    std::set<std::string> tokens;
    for (int i = 0; i < 100; ++i) {
        const std::string token = MakeToken().value();
        CHECK(token.size() == 44);
        CHECK(token.ends_with('='));
        CHECK(IsWellFormedToken(token));
        CHECK(tokens.insert(token).second);
    }
    CHECK(IsWellFormedToken("AAAA"));
    CHECK(IsWellFormedToken("AAA="));
    CHECK(IsWellFormedToken("AA=="));
    CHECK_FALSE(IsWellFormedToken("A==="));
    CHECK_FALSE(IsWellFormedToken("AAA"));
    CHECK_FALSE(IsWellFormedToken("AA+="));
    CHECK_FALSE(IsWellFormedToken("=AAA"));
}

TEST_CASE("relocation fills in the sequence numbers and keeps what it does not know") {
    const std::string data =
        R"({"id":"c","process":{"id":"7","terminal":false,"args":["x"]},"constraints":{"CPUShares":5},"oci":{"a":1}})";
    CHECK(
        RelocateProcess(false, data, {.stdio = 9, .keep_oci = true})->data ==
        R"({"id":"c","process":{"id":"7","terminal":false,"stdio":9,"stderr":10,"args":["x"]},"constraints":{"CPUShares":5},"oci":{"a":1}})");
    CHECK(RelocateProcess(false, data, {.stdio = 9, .keep_oci = false})->data.find("oci") ==
          std::string::npos);
    CHECK(RelocateProcess(false, data, {.stdio = 9})->container == "c");
    CHECK(RelocateProcess(true, R"({"container":"k","process":{}})", {.stdio = 3})->data ==
          R"({"container":"k","process":{"stdio":3,"stderr":4}})");
    CHECK(RelocateProcess(true, R"({"process":{"terminal":true}})", {.stdio = 3})->data ==
          R"({"process":{"terminal":true,"stdio":3}})");
}

TEST_CASE("relocation refuses what has no process and what has its numbers already") {
    CHECK_FALSE(RelocateProcess(false, R"({"id":"c"})", {.stdio = 3}));
    CHECK_FALSE(RelocateProcess(false, "", {.stdio = 3}));
    CHECK(RelocateProcess(false, R"({"process":{"stdio":9}})", {.stdio = 3}).error().message ==
          "expected process.Stdio to be 0, got 9");
    CHECK(RelocateProcess(false, R"({"process":{"stderr":8}})", {.stdio = 3}).error().message ==
          "expected process.Stderr to be 0, got 8");
}

TEST_CASE("relocation cannot be fooled by keys that only Go takes for the same") {
    for (const char* data :
         {R"({"process":{"stdio":0,"STDIO":9}})", R"({"process":{},"Process":{"stdio":9}})",
          "{\"process\":{\"stdio\":0,\"\u017ftdio\":9}}",
          R"({"process":{"stderr":0,"\u017ftderr":9}})", R"({"process":{},"oci":{},"OCI":{}})"})
        CHECK_FALSE_MESSAGE(RelocateProcess(false, data, {.stdio = 3}), data);
    CHECK(RelocateProcess(false, R"({"Process":{"STDIO":0},"OCI":{}})", {.stdio = 3})->data ==
          R"({"Process":{"stdio":3,"stderr":4}})");
    CHECK(RelocateProcess(false, R"({"process":{"STDIO":9}})", {.stdio = 3}).error().message ==
          "expected process.Stdio to be 0, got 9");
}

TEST_CASE("of keys that Go takes for the same the last one counts, however it is written") {
    CHECK(ParseAttachVm(R"({"containerId":"a","CONTAINERID":"b"})")->container_id == "b");
    CHECK(ParseAttachVm(R"({"containerId":"a","CONTAINERID":null})")->container_id == "a");
    CHECK(RawMember(R"({"data":1,"DATA":2})", "data") == "2");
    CHECK(RawMember(R"({"d\u0061ta":[1, 2]})", "data") == "[1, 2]");
    CHECK(RawMember(R"({"\"data":1})", "data").empty());
}

TEST_CASE("an offer of the extension is recognised, and anything else is a 3.0 agent") {
    const ReadyOffer offer = ParseReadyOffer(Encode(ReadyOffer{kAgentExtension, 1200, 1250}));
    CHECK(offer.extension == kAgentExtension);
    CHECK(offer.started_ms == 1200);
    CHECK(offer.ready_ms == 1250);
    for (const char* payload : {"", "{}", "ready", R"({"clearContainers":7})",
                                R"({"clearContainers":{"extension":"x"}})"})
        CHECK(ParseReadyOffer(payload).extension == 0);
    CHECK(ParseReadyOffer(R"({"clearContainers":{"extension":99}})").extension == kAgentExtension);
}

TEST_CASE("new containers carry the OCI configuration as it is") {
    NewContainer message{.id = "c",
                         .rootfs = "rootfs",
                         .image = "c",
                         .mounts = {},
                         .process = {},
                         .oci = {},
                         .hold = true,
                         .memory_mib = 640,
                         .cpus = 2};
    message.process.envs = {{"A", "b=c"}, {"EMPTY", ""}};
    message.mounts = {{"c/mounts/0", "/data", true, false}};
    message.oci = R"({"ociVersion":"1.1.0" , "x":1.0})";
    const auto parsed = ParseNewContainer(Encode(message));
    REQUIRE(parsed);
    CHECK(parsed->oci == message.oci);
    CHECK(parsed->hold);
    CHECK(parsed->memory_mib == 640);
    CHECK(parsed->cpus == 2);
    // An older agent finds nothing that it does not know where nothing has grown.
    CHECK(Encode(NewContainer{}).find("memoryMib") == std::string::npos);
    CHECK(parsed->process.envs == message.process.envs);
    CHECK(parsed->mounts.at(0).path == "/data");
    CHECK(parsed->mounts.at(0).read_only);
    CHECK_FALSE(ParseNewContainer(R"({"id":"c"})"));
}

TEST_CASE("new containers bring their system call filter, whole or not at all") {
    NewContainer message;
    message.id = "c";
    message.seccomp = SeccompFilter{{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 4},
                                     {BPF_JMP | BPF_JEQ | BPF_K, 1, 255, 0xc000003e},
                                     {BPF_RET | BPF_K, 0, 0, 0x7fff0000}},
                                    2};
    const auto parsed = ParseNewContainer(Encode(message));
    REQUIRE_MESSAGE(parsed, parsed.error().message);
    REQUIRE(parsed->seccomp);
    CHECK(parsed->seccomp->flags == 2);
    REQUIRE(parsed->seccomp->program.size() == 3);
    CHECK(parsed->seccomp->program[1].jt == 1);
    CHECK(parsed->seccomp->program[1].jf == 255);
    CHECK(parsed->seccomp->program[1].k == 0xc000003e);
    message.seccomp.reset();
    CHECK_FALSE(ParseNewContainer(Encode(message))->seccomp);
    const auto refused = [](const std::string& filter) {
        const auto result =
            ParseNewContainer(Cat(R"({"id":"c","process":{},"seccomp":)", filter, "}"));
        return !result && result.error().message.find("seccomp") != std::string::npos;
    };
    CHECK(refused("7"));
    CHECK(refused("{}"));
    CHECK(refused(R"({"program":7})"));
    CHECK(refused(R"({"program":""})"));
    CHECK(refused(R"({"program":"0600000000"})"));
    CHECK(refused(R"({"program":"060000000000fx7f"})"));
    CHECK(refused(R"({"program":"060000000000ff7f","flags":-1})"));
    std::string most;
    for (int i = 0; i < BPF_MAXINSNS; ++i)
        most += "060000000000ff7f";
    CHECK_FALSE(refused(Cat(R"({"program":")", most, "\"}")));
    CHECK(refused(Cat(R"({"program":")", most, "060000000000ff7f\"}")));
}

TEST_CASE("new containers name the disks that they are made of, in our words and in 3.0's") {
    NewContainer message;
    message.id = "c";
    message.image = "vda";
    message.fs_type = "ext4";
    message.root_disk = "cc-disk-0";
    message.root_options = {"ro", "discard"};
    message.disks = {{"cc-disk-1", 7, 3}, {"cc-disk-2", 253, 1048575}};
    message.mounts = {{"", "/dev/x", false, true, "0:2"}};
    const auto parsed = ParseNewContainer(Encode(message));
    REQUIRE_MESSAGE(parsed, parsed.error().message);
    CHECK(parsed->fs_type == "ext4");
    CHECK(parsed->root_disk == "cc-disk-0");
    CHECK(parsed->root_options == message.root_options);
    CHECK(parsed->disks == message.disks);
    CHECK(parsed->mounts.at(0).scsi_address == "0:2");
    const auto theirs = ParseNewContainer(
        R"({"id":"c","rootfs":"rootfs","image":"","fstype":"xfs","scsiAddr":"1:0",
            "process":{"args":["sh"]}})");
    REQUIRE(theirs);
    CHECK(theirs->scsi_address == "1:0");
    CHECK(theirs->fs_type == "xfs");
    for (const char* disks : {R"([{"disk":7}])", R"([{"major":4294967296}])", R"({"a":1})"})
        CHECK_FALSE(ParseNewContainer(Cat(R"({"id":"c","process":{},"disks":)", disks, "}")));
    // An agent that knows no disks sees nothing of them where there are none.
    for (const char* key : {"disk", "fstype", "scsiAddr", "rootOptions"})
        CHECK(Encode(NewContainer{}).find(key) == std::string::npos);
}

TEST_CASE("disks are added and removed by their owner's name") {
    const auto added = ParseVmRequest(
        Encode(VmRequest{.verb = VmVerb::kAddDisk, .owner = "web", .read_only = true}));
    REQUIRE(added);
    CHECK(added->verb == VmVerb::kAddDisk);
    CHECK(added->owner == "web");
    CHECK(added->read_only);
    CHECK(ParseVmRequest(Encode(VmRequest{.verb = VmVerb::kRemoveDisks, .owner = "web"}))->owner ==
          "web");
    CHECK_FALSE(ParseVmRequest(R"({"verb":"add_disk"})"));
    CHECK_FALSE(ParseVmRequest(R"({"verb":"remove_disks","owner":""})"));
    CHECK(ParseVmReply(Encode(VmReply{.disk = 3}, VmVerb::kAddDisk))->disk == 3);
    CHECK_FALSE(ParseVmReply(R"({"ok":true,"disk":16})"));
    CHECK(DiskSerial(kMostDisks - 1).size() <= 20);
    for (const MachineType machine : {MachineType::kPc, MachineType::kQ35, MachineType::kMicrovm}) {
        CHECK(PlugPlaces(machine) <= kMostDisks);
        // Each network device that can be plugged in has a place.
        CHECK(PlaceOfNic(MostNics(machine) - 1) < PlugPlaces(machine));
    }
}

TEST_CASE("all messages of the agent's control channel survive encoding and parsing") {
    CHECK(ParseKillContainer(Encode(KillContainer{"c", 15, true, 0}))->all_processes);
    CHECK(ParseKillContainer(Encode(KillContainer{"c", 15, false, 7}))->process == 7);
    CHECK(ParseWinSize(Encode(WinSize{7, 40, 120}))->column == 120);
    CHECK(ParseStartContainer(Encode(StartContainer{"c"}))->container == "c");
    CHECK(ParseRemoveContainer(Encode(RemoveContainer{"c"}))->container == "c");
    CHECK(ParsePsContainer(Encode(PsContainer{"c", "json", {"-ef"}}))->ps_args.size() == 1);
    CHECK(ParseStartPod(Encode(StartPod{"h", "t"}))->share_dir == "t");
    CHECK(ParseVersionAccept(Encode(VersionAccept{1}))->extension == 1);
    CHECK_FALSE(ParseVersionAccept(Encode(VersionAccept{kAgentExtension + 1})));
    CHECK(ParseExecCommand(Encode(ExecCommand{"c", {}, "", 8080}))->connect == 8080);
    CHECK_FALSE(ParseExecCommand(R"({"container":"c","process":{},"connect":65536})"));
    CHECK(ParseExecCommand(Encode(ExecCommand{"c", {}, "", 0, "/sub"}))->cgroup == "/sub");
    CHECK(Encode(ExecCommand{"c", {}, ""}).find("cgroup") == std::string::npos);
    const auto exec = ParseExecCommand(Encode(ExecCommand{"c", {}, R"({"args":["x"]})"}));
    REQUIRE(exec);
    CHECK(exec->oci == R"({"args":["x"]})");
}

}  // namespace cc
