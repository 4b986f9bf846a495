// SPDX-License-Identifier: Apache-2.0
#include "protocol/container_control.h"

#include "protocol/go_json.h"

namespace cc {

std::string Encode(const OneContainer& message) {
    return DumpGo({{"container", message.container}});
}

Result<OneContainer> ParseOneContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    OneContainer message{reader.String("container")};
    CC_TRY(reader.Finish("the command"));
    return message;
}

std::string Encode(const CgroupFiles& answer) {
    Json files = Json::object();
    for (const auto& [name, text] : answer.files)
        files[name] = text;
    return DumpGo({{"files", std::move(files)}});
}

Result<CgroupFiles> ParseCgroupFiles(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    const Json* files = reader.Object("files");
    CC_TRY(reader.Finish("the statistics"));
    CgroupFiles answer;
    if (files == nullptr) return answer;
    for (const auto& [name, text] : files->items()) {
        if (!text.is_string())
            return Fail(Cat("the statistics: ", Quoted(name, 64), " must be a string"));
        answer.files[name] = text.get<std::string>();
    }
    return answer;
}

std::string Encode(const UpdateContainer& message) {
    return Cat("{\"container\":", DumpGo(message.container),
               ",\"resources\":", message.resources.empty() ? "{}" : message.resources, "}");
}

Result<UpdateContainer> ParseUpdateContainer(std::string_view payload) {
    CC_ASSIGN(const Json json, ParseGoObject(payload));
    GoReader reader(json);
    UpdateContainer message;
    message.container = reader.String("container");
    const Json* resources = reader.Object("resources");
    CC_TRY(reader.Finish("UPDATECONTAINER"));
    if (resources == nullptr) return Fail("UPDATECONTAINER: \"resources\" is missing");
    message.resources = DumpGo(*resources);
    return message;
}

}  // namespace cc
