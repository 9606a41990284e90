'use strict';

// Licode's ErizoJS as its agent would start it, without the message broker: its controller and
// models are the folder's own, the addon is the one linked there. The parent process stands in for
// ErizoController: it calls methods of the controller over the process's channel and hears what the
// controller says.
//
//   node erizo_js.js <licode folder> [JSON of config.erizo]

const fs = require('node:fs');
const path = require('node:path');

const diary = require('./diary.js');

const [licode, settings = '{}'] = process.argv.slice(2);
const at = (...parts) => path.join(licode, ...parts);

// What erizoJS.js adds to an operator's configuration.
const config = require(at('licode_config.js'));
global.config = {
  ...config,
  logger: { configFile: true },
  erizo: { ...config.erizo, addon: 'addon', numWorkers: 2, ...JSON.parse(settings) },
};
global.mediaConfig = require(at('rtp_media_config.js'));
global.bwDistributorConfig = require(at('bw_distributor_config.js'));

const say = (message) => process.send(message);

// The broker's place is taken before anything requires it.
const broker = at('erizo_controller', 'common', 'amqper.js');
require.cache[fs.realpathSync(broker)] = {
  id: broker,
  filename: broker,
  loaded: true,
  exports: {
    broadcast: (topic, message) => say({ broadcast: topic, message }),
    callRpc: (queue, method, parameters) => say({ queue, method, parameters }),
  },
};

const erizo = require(at('erizoAPI', 'build', 'Release', 'addon'));
const { ErizoJSController } = require(at('erizo_controller', 'erizoJS', 'erizoJSController.js'));

const threadPool = new erizo.ThreadPool(global.config.erizo.numWorkers);
threadPool.start();
const ioThreadPool = new erizo.IOThreadPool(1);
ioThreadPool.start();

const controller = ErizoJSController('erizo', threadPool, ioThreadPool);
controller.privateRegexp = /no address to replace/g;
controller.publicIP = '';

// Each call names itself; the answers of a method may be several.
process.on('message', ({ call, method, parameters }) => {
  const answer = (...values) => say({ call, values });
  if (method === 'metrics') return answer(controller.getAndResetMetrics());
  try {
    controller[method](...parameters, answer);
  } catch (error) {
    // As the broker's module does. For example, ErizoJS does not look whether a client that a
    // message names is still there.
    diary.note(`${method} threw`, error);
  }
});
process.on('disconnect', () => process.exit(3));

say({ started: erizo.version });
