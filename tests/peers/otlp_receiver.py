"""A collector of traces: takes OTLP over HTTP (protobuf), decodes it with OpenTelemetry's own definitions, and writes
one JSON object a span to the file named on the command line. Prints the port it listens on."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def value(of):
    return getattr(of, of.WhichOneof("value") or "string_value")


def attributes(of):
    return {attribute.key: value(attribute.value) for attribute in of}


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        with open(sys.argv[1], "a", encoding="utf-8") as out:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        out.write(json.dumps({
                            "path": self.path,
                            "type": self.headers["content-type"],
                            "resource": attributes(resource.resource.attributes),
                            "name": span.name,
                            "kind": span.kind,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "attributes": attributes(span.attributes),
                            "events": [event.name for event in span.events],
                        }) + "\n")
        self.send_response(200)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
server.serve_forever()
