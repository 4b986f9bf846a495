// SPDX-License-Identifier: Apache-2.0
#include "runtime/setup/toml_engines.h"

#include "base/text.h"
#include "runtime/setup/toml_edit.h"
#include "runtime/toml.h"

namespace cc::runtime {

namespace {

Result<EngineEdit> Edit(const EngineFile& file, const SetupWish& wish,
                        const std::vector<TomlSetting>& settings) {
    EngineEdit edit;
    if (!wish.undo) {
        CC_ASSIGN(edit.text, SetInToml(file.text, file.path, settings));
        return edit;
    }
    edit.text = UnsetInToml(file.text);
    if (Trim(edit.text).empty() && edit.text != file.text) edit.text.clear();
    return edit;
}

// The name of the CRI plugin that starts containers, by the version of the file.
Result<std::string> CriPlugin(int64_t version, const std::string& path) {
    if (version == 2) return "io.containerd.grpc.v1.cri";
    if (version == 3) return "io.containerd.cri.v1.runtime";
    return Fail(Cat(path, ": the file is of version ", version,
                    ", and only 2 and 3 are known here; write \"version = 2\" at its top and the "
                    "plugins' names as `containerd config default` shows them"));
}

}  // namespace

Result<EngineEdit> EditContainerd(const EngineFile& file, const SetupWish& wish) {
    if (wish.undo) return Edit(file, wish, {});
    const toml::parse_result parsed = toml::parse(file.text, file.path);
    // SetInToml says what is wrong with the file.
    const toml::table root = parsed ? parsed.table() : toml::table();
    const bool fresh = Trim(file.text).empty();
    const int64_t version = root["version"].value_or<int64_t>(fresh || !parsed ? 2 : 1);
    CC_ASSIGN(const std::string plugin, CriPlugin(version, file.path));
    const std::vector<std::string> containerd = {"plugins", plugin, "containerd"};
    const std::vector<std::string> handler = {"plugins", plugin, "containerd", "runtimes",
                                              kRuntimeName};
    std::vector<std::string> options = handler;
    options.emplace_back("options");

    std::vector<TomlSetting> settings;
    if (fresh) settings.push_back({{}, "version", "2"});
    // A file that names any handler replaces the list that is built in, which is runc alone.
    const toml::node_view runtimes = root["plugins"][plugin]["containerd"]["runtimes"];
    if (!runtimes)
        settings.push_back({{"plugins", plugin, "containerd", "runtimes", "runc"},
                            "runtime_type",
                            "\"io.containerd.runc.v2\""});
    settings.push_back({handler, "runtime_type", "\"io.containerd.runc.v2\""});
    // A privileged container's devices are the guest's.
    settings.push_back({handler, "privileged_without_host_devices", "true"});
    settings.push_back({options, "BinaryName", TomlString(wish.runtime)});
    // All of a node's containers have one kind of cgroups.
    if (runtimes["runc"]["options"]["SystemdCgroup"].value_or(false))
        settings.push_back({options, "SystemdCgroup", "true"});
    if (wish.make_default)
        settings.push_back({containerd, "default_runtime_name", TomlString(kRuntimeName)});

    CC_ASSIGN(EngineEdit edit, Edit(file, wish, settings));
    if (const toml::array* disabled = root["disabled_plugins"].as_array())
        for (const auto& name : *disabled)
            if (const auto text = name.value_or<std::string>(""); text == "cri" || text == plugin)
                edit.notes.push_back(Cat("disabled_plugins names ", text,
                                         ": without it Kubernetes and crictl cannot use containerd "
                                         "(ctr and Docker do not need it)"));
    return edit;
}

Result<EngineEdit> EditPodman(const EngineFile& file, const SetupWish& wish) {
    std::vector<TomlSetting> settings;
    if (wish.make_default) settings.push_back({{"engine"}, "runtime", TomlString(kRuntimeName)});
    settings.push_back(
        {{"engine", "runtimes"}, kRuntimeName, Cat("[", TomlString(wish.runtime), "]")});
    return Edit(file, wish, settings);
}

Result<EngineEdit> EditCrio(const EngineFile& file, const SetupWish& wish) {
    const std::vector<std::string> handler = {"crio", "runtime", "runtimes", kRuntimeName};
    std::vector<TomlSetting> settings;
    if (wish.make_default)
        settings.push_back({{"crio", "runtime"}, "default_runtime", TomlString(kRuntimeName)});
    settings.push_back({handler, "runtime_path", TomlString(wish.runtime)});
    settings.push_back({handler, "runtime_type", "\"oci\""});
    settings.push_back({handler, "runtime_root", "\"/run/clear-containers/crio\""});
    settings.push_back({handler, "privileged_without_host_devices", "true"});
    return Edit(file, wish, settings);
}

}  // namespace cc::runtime
