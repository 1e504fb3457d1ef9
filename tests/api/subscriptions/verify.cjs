// Read [{secret, headers, body}, …] from standard input; write which of them verify.
const { readFileSync } = require("node:fs");
const { Webhook } = require(process.argv[2]);

const results = JSON.parse(readFileSync(0, "utf8")).map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
});
console.log(JSON.stringify(results));
