// The yardstick in C++: the protocol's client side over Boost.Beast, Boost.Asio, OpenSSL and RapidJSON. One thread,
// everything asynchronous. A message is parsed in place, answered at once, and sent by an async_write of its own;
// Beast allows one at a time, so the others queue. Memory for parsing and for messages is used again and again.
// No bounds, no deadlines after the handshakes, no memory of ids.
//
// Arguments: PORT CA_FILE commands|notifications. Runs until its connection ends or it is killed.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <deque>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace asio = boost::asio;
namespace ssl = asio::ssl;
using boost::asio::ip::tcp;

namespace {

constexpr char host[] = "localhost";
// Notification messages in flight.
constexpr int window = 8;
constexpr std::size_t parse_memory = 16 << 10;
constexpr std::string_view response_body =
    R"({"data":[{"type":"vmserver","id":"vcenter1.example.com","attributes":{"port":0}}]})";

void must(beast::error_code error, const char* what)
{
    if (error)
        throw beast::system_error{error, what};
}

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& json, std::string_view text) { json.String(text.data(), rapidjson::SizeType(text.size())); }
void put(Writer& json, std::int64_t number) { json.Int64(number); }

void fields(Writer&) {}

template <class Value, class... More>
void fields(Writer& json, const char* key, const Value& value, const More&... more)
{
    json.Key(key);
    put(json, value);
    fields(json, more...);
}

class Client {
public:
    Client(asio::io_context& io, ssl::context& tls, std::string port, bool notifies)
        : socket_{io, tls}, port_{std::move(port)}, notifies_{notifies} {}

    void start(const tcp::resolver::results_type& addresses)
    {
        transport().expires_after(std::chrono::seconds(10));
        transport().async_connect(addresses, [this](beast::error_code error, const auto&) {
            must(error, "connect");
            transport().socket().set_option(tcp::no_delay(true));
            secure();
        });
    }

private:
    // The executor by its type costs no indirection, and beast::ssl_stream makes one TLS record of one frame.
    using Tcp = beast::basic_stream<tcp, asio::io_context::executor_type>;
    using Socket = websocket::stream<beast::ssl_stream<Tcp>>;
    using Pool = rapidjson::MemoryPoolAllocator<>;
    using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Pool>;

    Tcp& transport() { return beast::get_lowest_layer(socket_); }

    void secure()
    {
        auto& tls = socket_.next_layer();
        if (SSL_set_tlsext_host_name(tls.native_handle(), host) != 1)
            throw std::runtime_error{"server name indication"};
        tls.set_verify_callback(ssl::host_name_verification(host));
        tls.async_handshake(ssl::stream_base::client, [this](beast::error_code error) {
            must(error, "TLS handshake");
            upgrade();
        });
    }

    void upgrade()
    {
        transport().expires_never(); // the WebSocket stream has its own deadline
        socket_.set_option(websocket::stream_base::timeout::suggested(beast::role_type::client));
        socket_.auto_fragment(false);
        socket_.async_handshake(std::string{host} + ":" + port_, "/nbwss", [this](beast::error_code error) {
            must(error, "upgrade");
            socket_.text(true);
            send("CONNECT", "REQUEST", to_string(ids_()), [](Writer& json) {
                json.StartObject(), fields(json, "token", "t"), json.EndObject();
            });
            read();
        });
    }

    void read()
    {
        socket_.async_read(incoming_, [this](beast::error_code error, std::size_t length) {
            must(error, "read");
            if (socket_.got_text())
                receive();
            incoming_.consume(length);
            read();
        });
    }

    void receive()
    {
        // The parser works inside the buffer and wants it to end with a NUL.
        *static_cast<char*>(incoming_.prepare(1).data()) = '\0';
        Pool values{values_, sizeof values_};
        Pool stack{stack_, sizeof stack_};
        Document message{&values, sizeof stack_ / 2, &stack};
        message.ParseInsitu(static_cast<char*>(incoming_.data().data()));
        if (message.HasParseError() || !message.IsObject())
            throw std::runtime_error{"not a JSON object"};
        const auto type = text(message, "type");
        const auto sub_type = text(message, "subType");
        if (type == "COMMAND" && sub_type == "REQUEST")
            answer(text(message, "id"));
        else if (type == "NOTIFICATION" && sub_type == "RESPONSE")
            notify();
        else if (type == "CONNECT" && notifies_)
            for (int n = 0; n < window; ++n)
                notify();
    }

    static std::string_view text(const Document& message, const char* name)
    {
        const auto found = message.FindMember(name);
        if (found == message.MemberEnd() || !found->value.IsString())
            throw std::runtime_error{"a message without its fields"};
        return {found->value.GetString(), found->value.GetStringLength()};
    }

    void answer(std::string_view id)
    {
        send("COMMAND", "RESPONSE", id, [](Writer& json) {
            json.StartObject();
            json.Key("headers");
            json.StartObject(), fields(json, "content-type", "application/json"), json.EndObject();
            fields(json, "statusCode", 200, "response", response_body);
            json.EndObject();
        });
    }

    void notify()
    {
        send("NOTIFICATION", "REQUEST", to_string(ids_()), [](Writer& json) {
            json.StartArray(), json.StartObject();
            fields(json, "notificationType", "INFO", "object", "JOB");
            json.Key("data");
            json.StartArray(), json.StartObject();
            fields(json, "scheduleType", "ST_FULL", "clientName", "client.example.com", "status", 0, "startTime",
                   1459829674, "state", "ACTIVE", "policyName", "vmware2", "parentJobId", 144, "jobId", 144,
                   "policyType", "VMWARE", "jobType", "BACKUP");
            json.EndObject(), json.EndArray();
            json.EndObject(), json.EndArray();
        });
    }

    template <class Payload>
    void send(std::string_view type, std::string_view sub_type, std::string_view id, Payload payload)
    {
        if (spare_.empty())
            spare_.emplace_back();
        outgoing_.push_back(std::move(spare_.back()));
        spare_.pop_back();
        writer_.Reset(outgoing_.back());
        writer_.StartObject();
        fields(writer_, "version", "1.0", "id", id, "type", type, "subType", sub_type, "timeStamp", std::time(nullptr));
        writer_.Key("payload");
        payload(writer_);
        writer_.EndObject();
        if (outgoing_.size() == 1)
            write();
    }

    void write()
    {
        const asio::const_buffer message{outgoing_.front().GetString(), outgoing_.front().GetSize()};
        socket_.async_write(message, [this](beast::error_code error, std::size_t) {
            must(error, "write");
            spare_.push_back(std::move(outgoing_.front()));
            spare_.back().Clear();
            outgoing_.pop_front();
            if (!outgoing_.empty())
                write();
        });
    }

    Socket socket_;
    std::string port_;
    bool notifies_;
    beast::flat_buffer incoming_;
    alignas(std::max_align_t) char values_[parse_memory];
    alignas(std::max_align_t) char stack_[parse_memory];
    // The first is being written.
    std::deque<rapidjson::StringBuffer> outgoing_;
    std::vector<rapidjson::StringBuffer> spare_;
    Writer writer_;
    boost::uuids::random_generator_mt19937 ids_;
};

} // namespace

int main(int argc, char** argv)
try {
    const std::string_view work = argc == 4 ? argv[3] : "";
    if (work != "commands" && work != "notifications") {
        std::cerr << "usage: " << argv[0] << " PORT CA_FILE commands|notifications\n";
        return 2;
    }
    ssl::context tls{ssl::context::tlsv13_client};
    tls.load_verify_file(argv[2]);
    tls.set_verify_mode(ssl::verify_peer);
    asio::io_context io{1};
    Client client{io, tls, argv[1], work == "notifications"};
    client.start(tcp::resolver{io}.resolve(tcp::v4(), host, argv[1]));
    io.run();
} catch (const std::exception& error) {
    std::cerr << "beast client: " << error.what() << '\n';
    return 1;
}
