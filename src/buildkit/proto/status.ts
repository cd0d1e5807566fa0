import { blob, field, int32, list, message, nested, text } from './message.ts';

/** google.protobuf.Any */
export const Any = message({ typeUrl: field(1, text), value: field(2, blob) });

/** google.rpc.Status: what `grpc-status-details-bin` holds. */
export const Status = message({
  code: field(1, int32),
  message: field(2, text),
  details: list(3, nested(Any)),
});
