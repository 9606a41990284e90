// The same classes for `import`; one binary serves both entries.
import erizo from './index.js';

export const {
  WebRtcConnection,
  MediaStream,
  OneToManyProcessor,
  ExternalInput,
  ExternalOutput,
  SyntheticInput,
  ThreadPool,
  IOThreadPool,
  ConnectionDescription,
  version,
} = erizo;
export default erizo;
