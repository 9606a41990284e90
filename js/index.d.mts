export * from '../index.js';
import erizo = require('../index.js');
export default erizo;
