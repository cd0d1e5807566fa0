import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { isKind, messageOf } from '../base/errors.ts';
import { Exporters } from './build/exporters.ts';
import { Jobs } from './build/jobs.ts';
import type { BuildKit, BuildKitParts, SessionBuild } from './buildkit.ts';
import { type ControlParts, controlMethods, sessionBuild } from './control.ts';
import { gatewayMethods } from './gateway.ts';
import { GrpcServer, unary } from './grpc/server.ts';
import { HEALTH, HealthRequest, HealthResponse } from './proto/attachables.ts';
import { Empty } from './proto/gateway.ts';
import { Sessions } from './session/sessions.ts';

/** Clients send their traces wherever a builder is; nobody reads them here. */
const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** BuildKit's protocol over the engine's builder. */
export class BuildKitServer implements BuildKit {
  readonly #sessions = new Sessions();
  readonly #server: GrpcServer;
  readonly #control: ControlParts;

  constructor(parts: BuildKitParts) {
    const control = {
      parts,
      jobs: new Jobs(),
      sessions: this.#sessions,
      exporters: new Exporters(parts),
    };
    this.#control = control;
    this.#server = new GrpcServer(
      {
        ...controlMethods(control),
        ...gatewayMethods(control),
        [HEALTH]: unary(HealthRequest, HealthResponse, () => ({ status: 1 })),
        [TRACES]: unary(Empty, Empty, () => ({})),
      },
      (path, error) => {
        if (!isKind(error, 'cancelled'))
          parts.log.debug('gRPC call failed', { path, error: messageOf(error) });
      },
    );
  }

  serve(socket: Socket): void {
    this.#server.accept(socket);
  }

  checkSession(headers: IncomingHttpHeaders): void {
    this.#sessions.check(headers);
  }

  join(headers: IncomingHttpHeaders, socket: Socket): void {
    this.#sessions.add(headers, socket);
  }

  build(request: SessionBuild, trace: (status: Uint8Array) => void, signal: AbortSignal): Promise<string> {
    return sessionBuild(this.#control, request, trace, signal);
  }

  close(): void {
    this.#sessions.close();
  }
}
