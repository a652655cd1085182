/** beanstalkd for Logwarden: README.md says what is promised; connection.ts, producer.ts and consumer.ts say how. */

export {
  Connection,
  type ConnectionOptions,
  type FoundJob,
  type PutOptions,
  priorityDefault,
  type Reservation,
} from "./connection.ts";
export { Consumer, type ConsumerOptions } from "./consumer.ts";
export { QueueError, type QueueErrorCode } from "./errors.ts";
export type { ConsumerEvent, NodeEvent, ProducerEvent } from "./events.ts";
export type { Job } from "./job.ts";
export { checkTube, formatNodeAddress, type NodeAddress, parseNodeAddress } from "./names.ts";
export { Producer, type ProducerOptions, type PutListener } from "./producer.ts";
export type { JobStats, NodeStats, TubeStats } from "./stats.ts";
