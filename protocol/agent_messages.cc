// SPDX-License-Identifier: Apache-2.0
#include "protocol/agent_messages.h"

#include "protocol/go_json.h"
#include "protocol/link_frame.h"
#include "protocol/pod_network.h"

namespace cc {

namespace {

Json ToJson(const AgentCapabilities& capabilities) {
    return {{"bounding", GoStrings(capabilities.bounding)},
            {"effective", GoStrings(capabilities.effective)},
            {"inheritable", GoStrings(capabilities.inheritable)},
            {"permitted", GoStrings(capabilities.permitted)},
            {"ambient", GoStrings(capabilities.ambient)}};
}

Json ToJson(const AgentProcess& process) {
    Json json = {{"user", process.user}, {"group", process.group}};
    if (!process.additional_groups.empty()) json["additionalGroups"] = process.additional_groups;
    json["terminal"] = process.terminal;
    if (process.stdio != 0) json["stdio"] = process.stdio;
    if (process.stderr_sequence != 0) json["stderr"] = process.stderr_sequence;
    json["args"] = GoStrings(process.args);
    Json envs = Json::array();
    for (const auto& [name, value] : process.envs)
        envs.push_back({{"env", name}, {"value", value}});
    json["envs"] = envs.empty() ? Json(nullptr) : std::move(envs);
    json["workdir"] = process.workdir;
    json["noNewPrivileges"] = process.no_new_privileges;
    json["capabilities"] = ToJson(process.capabilities);
    return json;
}

AgentCapabilities ParseCapabilities(const Json& json, GoReader& outer) {
    GoReader reader(json);
    AgentCapabilities capabilities{reader.Strings("bounding"), reader.Strings("effective"),
                                   reader.Strings("inheritable"), reader.Strings("permitted"),
                                   reader.Strings("ambient")};
    if (auto finished = reader.Finish("capabilities"); !finished) outer.Remember(finished.error());
    return capabilities;
}

AgentProcess ParseProcess(const Json& json, GoReader& outer) {
    GoReader reader(json);
    AgentProcess process;
    process.user = reader.String("user");
    process.group = reader.String("group");
    process.additional_groups = reader.Strings("additionalGroups");
    process.terminal = reader.Bool("terminal");
    process.stdio = reader.Unsigned("stdio");
    process.stderr_sequence = reader.Unsigned("stderr");
    process.args = reader.Strings("args");
    if (const Json* envs = reader.Array("envs"))
        for (const auto& env : *envs) {
            GoReader entry(env);
            process.envs.emplace_back(entry.String("env"), entry.String("value"));
            if (auto finished = entry.Finish("envs"); !finished) reader.Remember(finished.error());
        }
    process.workdir = reader.String("workdir");
    process.no_new_privileges = reader.Bool("noNewPrivileges");
    if (const Json* capabilities = reader.Object("capabilities"))
        process.capabilities = ParseCapabilities(*capabilities, reader);
    if (auto finished = reader.Finish("process"); !finished) outer.Remember(finished.error());
    return process;
}

// The process of NEWCONTAINER or EXECCMD; without one there is nothing to start.
AgentProcess RequireProcess(GoReader& reader) {
    const Json* process = reader.Object("process");
    if (process == nullptr) {
        reader.Remember({"\"process\" is missing"});
        return {};
    }
    return ParseProcess(*process, reader);
}

std::vector<AgentMount> ParseMounts(GoReader& reader) {
    std::vector<AgentMount> mounts;
    const Json* fsmap = reader.Array("fsmap");
    if (fsmap == nullptr) return mounts;
    for (const auto& entry : *fsmap) {
        GoReader mount(entry);
        mounts.push_back({mount.String("source"), mount.String("path"), mount.Bool("readOnly"),
                          mount.Bool("absolutePath"), mount.String("scsiAddr")});
        if (auto finished = mount.Finish("fsmap"); !finished) reader.Remember(finished.error());
    }
    return mounts;
}

std::vector<AgentDisk> ParseDisks(GoReader& reader) {
    std::vector<AgentDisk> disks;
    const Json* list = reader.Array("disks");
    if (list == nullptr) return disks;
    for (const auto& entry : *list) {
        GoReader disk(entry);
        const uint64_t major = disk.Unsigned("major"), minor = disk.Unsigned("minor");
        if (major > UINT32_MAX || minor > UINT32_MAX)
            reader.Remember({"\"disks\": no device number"});
        disks.push_back(
            {disk.String("disk"), static_cast<uint32_t>(major), static_cast<uint32_t>(minor)});
        if (auto finished = disk.Finish("disks"); !finished) reader.Remember(finished.error());
    }
    return disks;
}

Json ToJson(const AgentMount& mount) {
    Json json = {{"source", mount.source},
                 {"path", mount.path},
                 {"readOnly", mount.read_only},
                 {"dockerVolume", false},
                 {"absolutePath", mount.absolute_path}};
    if (!mount.scsi_address.empty()) json["scsiAddr"] = mount.scsi_address;
    return json;
}

void AddDisks(const NewContainer& message, Json& json) {
    if (!message.fs_type.empty()) json["fstype"] = message.fs_type;
    if (!message.scsi_address.empty()) json["scsiAddr"] = message.scsi_address;
    if (!message.root_disk.empty()) json["rootDisk"] = message.root_disk;
    if (!message.root_options.empty()) json["rootOptions"] = message.root_options;
    for (const auto& disk : message.disks)
        json["disks"].push_back(
            {{"disk", disk.serial}, {"major", disk.major}, {"minor", disk.minor}});
}

// `text` is a JSON object; adds a member whose value is raw JSON.
std::string WithRawMember(std::string text, std::string_view key, const std::string& raw) {
    if (raw.empty()) return text;
    text.pop_back();
    return Cat(text, ",\"", key, "\":", raw, "}");
}

}  // namespace

std::string Encode(const ReadyOffer& offer) {
    return DumpGo({{"clearContainers",
                    {{"extension", offer.extension},
                     {"startedMs", offer.started_ms},
                     {"readyMs", offer.ready_ms}}}});
}

ReadyOffer ParseReadyOffer(std::string_view payload) {
    const auto json = ParseJson(payload);
    if (!json) return {};
    const Json* offer = GoMember(*json, "clearContainers");
    if (offer == nullptr) return {};
    GoReader reader(*offer);
    const int64_t extension = reader.Int("extension");
    const ReadyOffer parsed{static_cast<int>(std::clamp<int64_t>(extension, 0, kAgentExtension)),
                            reader.Int("startedMs"), reader.Int("readyMs")};
    return reader.Finish("READY") ? parsed : ReadyOffer{};
}

std::string Encode(const VersionAccept& accept) {
    Json json = {{"extension", accept.extension}};
    if (!accept.marker.empty()) json["marker"] = HexEncode(accept.marker);
    return DumpGo(json);
}

Result<VersionAccept> ParseVersionAccept(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    const int64_t extension = reader.Int("extension");
    const auto marker = HexDecode(reader.String("marker"));
    CC_TRY(reader.Finish("VERSION"));
    if (extension < 0 || extension > kAgentExtension)
        return Fail(
            Cat("extension ", extension, " is unknown, at most ", kAgentExtension, " is possible"));
    if (!marker || (extension >= kLinkExtension && marker->size() != kMarkerSize))
        return Fail(Cat("VERSION needs a marker of ", kMarkerSize, " bytes"));
    return VersionAccept{static_cast<int>(extension), *marker};
}

std::string Encode(const std::vector<AgentSession>& sessions) {
    Json list = Json::array();
    for (const auto& session : sessions)
        list.push_back({{"base", session.base},
                        {"stdinReceived", session.stdin_received},
                        {"stdinTaken", session.stdin_taken},
                        {"stdinLimit", session.stdin_limit},
                        {"stdoutAcknowledged", session.stdout_acknowledged},
                        {"stderrAcknowledged", session.stderr_acknowledged}});
    return DumpGo({{"sessions", std::move(list)}});
}

Result<std::vector<AgentSession>> ParseAgentSessions(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    const Json* list = reader.Array("sessions");
    CC_TRY(reader.Finish("the list of sessions"));
    std::vector<AgentSession> sessions;
    if (list == nullptr) return sessions;
    for (const auto& entry : *list) {
        GoReader session(entry);
        sessions.push_back({session.Unsigned("base"), session.Unsigned("stdinReceived"),
                            session.Unsigned("stdinTaken"), session.Unsigned("stdinLimit"),
                            session.Unsigned("stdoutAcknowledged"),
                            session.Unsigned("stderrAcknowledged")});
        CC_TRY(session.Finish("a session"));
    }
    return sessions;
}

std::string Encode(const StartPod& message) {
    Json json = {{"hostname", message.hostname}, {"shareDir", message.share_dir}};
    if (!message.entropy.empty()) json["entropy"] = HexEncode(message.entropy);
    if (message.unix_time_ns != 0) json["unixTimeNs"] = message.unix_time_ns;
    if (message.memory_mib != 0) json["memoryMib"] = message.memory_mib;
    if (message.cpus != 0) json["cpus"] = message.cpus;
    if (message.network) json["network"] = ToJson(*message.network);
    return DumpGo(json);
}

Result<StartPod> ParseStartPod(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    StartPod message{reader.String("hostname"), reader.String("shareDir"), {},
                     reader.Int("unixTimeNs"),  reader.Int("memoryMib"),   reader.Int("cpus")};
    const auto entropy = HexDecode(reader.String("entropy"));
    const Json* network = reader.Object("network");
    CC_TRY(reader.Finish("STARTPOD"));
    if (!entropy) return Fail("STARTPOD: entropy is not written in hexadecimal digits");
    message.entropy = *entropy;
    if (network != nullptr) {
        CC_ASSIGN(message.network, Context("STARTPOD", ParseNetwork(*network)));
    }
    CC_ASSIGN(message.pod_network, ParsePodNetwork(json));
    return message;
}

std::string Encode(const NewContainer& message) {
    Json json = {{"id", message.id}, {"rootfs", message.rootfs}, {"image", message.image}};
    Json mounts = Json::array();
    for (const auto& mount : message.mounts)
        mounts.push_back(ToJson(mount));
    if (!mounts.empty()) json["fsmap"] = std::move(mounts);
    json["process"] = ToJson(message.process);
    json["restartPolicy"] = "";
    json["initialize"] = false;
    json["systemMountsInfo"] = {{"bindMountDev", false}, {"devShmSize", 0}};
    json["constraints"] = {{"CPUQuota", 0}, {"CPUPeriod", 0}};
    AddDisks(message, json);
    if (message.hold) json["hold"] = true;
    if (message.memory_mib != 0) json["memoryMib"] = message.memory_mib;
    if (message.cpus != 0) json["cpus"] = message.cpus;
    if (message.seccomp) json["seccomp"] = ToJson(*message.seccomp);
    return WithRawMember(DumpGo(json), "oci", message.oci);
}

Result<NewContainer> ParseNewContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    NewContainer message;
    message.id = reader.String("id");
    message.rootfs = reader.String("rootfs");
    message.image = reader.String("image");
    message.fs_type = reader.String("fstype");
    message.scsi_address = reader.String("scsiAddr");
    message.root_disk = reader.String("rootDisk");
    message.root_options = reader.Strings("rootOptions");
    message.disks = ParseDisks(reader);
    message.mounts = ParseMounts(reader);
    message.process = RequireProcess(reader);
    message.oci = RawMember(payload, "oci");
    message.hold = reader.Bool("hold");
    message.memory_mib = reader.Int("memoryMib");
    message.cpus = reader.Int("cpus");
    const Json* seccomp = reader.Object("seccomp");
    CC_TRY(reader.Finish("NEWCONTAINER"));
    if (seccomp != nullptr) {
        CC_ASSIGN(message.seccomp, Context("NEWCONTAINER: seccomp", ParseSeccompFilter(*seccomp)));
    }
    return message;
}

std::string Encode(const ExecCommand& message) {
    Json json = {{"container", message.container}, {"process", ToJson(message.process)}};
    if (message.connect != 0) json["connect"] = message.connect;
    if (!message.cgroup.empty()) json["cgroup"] = message.cgroup;
    return WithRawMember(DumpGo(json), "oci", message.oci);
}

Result<ExecCommand> ParseExecCommand(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    ExecCommand message;
    message.container = reader.String("container");
    message.process = RequireProcess(reader);
    message.oci = RawMember(payload, "oci");
    const uint64_t connect = reader.Unsigned("connect");
    message.cgroup = reader.String("cgroup");
    CC_TRY(reader.Finish("EXECCMD"));
    if (connect > UINT16_MAX) return Fail(Cat("EXECCMD: ", connect, " is no TCP port"));
    message.connect = static_cast<uint16_t>(connect);
    return message;
}

std::string Encode(const KillContainer& message) {
    Json json = {{"container", message.container},
                 {"signal", message.signal},
                 {"allProcesses", message.all_processes}};
    if (message.process != 0) json["process"] = message.process;
    return DumpGo(json);
}

Result<KillContainer> ParseKillContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    KillContainer message{reader.String("container"), reader.Int("signal"),
                          reader.Bool("allProcesses"), reader.Unsigned("process")};
    CC_TRY(reader.Finish("KILLCONTAINER"));
    return message;
}

std::string Encode(const StartContainer& message) {
    return DumpGo({{"container", message.container}});
}

Result<StartContainer> ParseStartContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    StartContainer message{reader.String("container")};
    CC_TRY(reader.Finish("STARTCONTAINER"));
    return message;
}

std::string Encode(const RemoveContainer& message) {
    return DumpGo({{"container", message.container}});
}

Result<RemoveContainer> ParseRemoveContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    RemoveContainer message{reader.String("container")};
    CC_TRY(reader.Finish("REMOVECONTAINER"));
    return message;
}

std::string Encode(const WinSize& message) {
    return DumpGo({{"seq", message.sequence}, {"row", message.row}, {"column", message.column}});
}

Result<WinSize> ParseWinSize(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    WinSize message{reader.Unsigned("seq"), reader.Int("row"), reader.Int("column")};
    CC_TRY(reader.Finish("WINSIZE"));
    return message;
}

std::string Encode(const PsContainer& message) {
    return DumpGo({{"container", message.container},
                   {"format", message.format},
                   {"psargs", GoStrings(message.ps_args)}});
}

Result<PsContainer> ParsePsContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    PsContainer message{reader.String("container"), reader.String("format"),
                        reader.Strings("psargs")};
    CC_TRY(reader.Finish("PSCONTAINER"));
    return message;
}

namespace {

// 3.0 encodes stdio and stderr right behind "terminal".
Json WithSequences(const Json& process, uint64_t stdio, bool terminal) {
    Json out = Json::object();
    auto put_sequences = [&] {
        out["stdio"] = stdio;
        if (!terminal) out["stderr"] = stdio + 1;
    };
    for (const auto& [key, value] : process.items()) {
        if (SameGoKey(key, "stdio") || SameGoKey(key, "stderr")) continue;  // zero, as was checked
        out[key] = value;
        if (SameGoKey(key, "terminal")) put_sequences();
    }
    if (!out.contains("stdio")) put_sequences();
    return out;
}

void EraseOci(Json& json) {
    for (const auto& [key, value] : json.items())
        if (SameGoKey(key, "oci")) {
            json.erase(std::string(key));
            return;  // there is one at most: twins were refused
        }
}

}  // namespace

Result<Relocated> RelocateProcess(bool exec, std::string_view data, const Relocation& relocation) {
    CC_ASSIGN(Json json, ParseGoObject(data));
    GoReader reader(json);
    Relocated relocated;
    relocated.container = reader.String(exec ? "container" : "id");
    const Json* process = reader.Object("process");
    CC_TRY(reader.Finish(exec ? "execcmd" : "newcontainer"));
    if (process == nullptr) return Fail("\"process\" is missing: there is nothing to start");
    GoReader process_reader(*process);
    const bool terminal = process_reader.Bool("terminal");
    const uint64_t stdio = process_reader.Unsigned("stdio");
    const uint64_t stderr_sequence = process_reader.Unsigned("stderr");
    CC_TRY(process_reader.Finish("process"));
    CC_TRY(RefuseTwinKeys(json));
    CC_TRY(RefuseTwinKeys(*process));
    if (stdio != 0) return Fail(Cat("expected process.Stdio to be 0, got ", stdio));
    if (stderr_sequence != 0)
        return Fail(Cat("expected process.Stderr to be 0, got ", stderr_sequence));
    for (auto& [key, value] : json.get_ref<Json::object_t&>())
        if (&value == process) {
            value = WithSequences(value, relocation.stdio, terminal);
            break;
        }
    if (!relocation.keep_oci) EraseOci(json);
    relocated.data = DumpGo(json);
    return relocated;
}

}  // namespace cc
