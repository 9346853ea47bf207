// Walks through tables of real DataTables in jsdom, each of which asks the gateway named on the command line, and
// prints what the tables then show: one JSON object, walk by walk and step by step.
//
//   node client.js URL JWT

"use strict";

const { readFileSync } = require("node:fs");
const { JSDOM } = require("jsdom");

const [url, jwt] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${jwt}` };
const path = "/api/v1/DeviceToken/GetDataTable";

/** How each kind of application tells DataTables to ask. */
const ways = {
  /** jQuery's own: a form. */
  form: { url: path, type: "POST", headers },
  /** jQuery, told to send JSON. */
  json: { url: path, type: "POST", headers, contentType: "application/json", data: JSON.stringify },
  /** angular-datatables: the application posts the parameters as JSON and hands the answer on. */
  angular: (parameters, callback) => {
    const body = JSON.stringify(parameters);
    const request = { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body };
    fetch(new URL(path, url), request)
      .then((answer) => answer.json())
      .then(({ recordsTotal, recordsFiltered, data }) => callback({ recordsTotal, recordsFiltered, data }))
      .catch(fail);
  },
};

const buttons = { data: null, defaultContent: "<button>Edit</button>", orderable: false, searchable: false };
const columns = ["deviceId", "userId", "platformName", "isActive", "displayOrder", "lastSeenOn"];

const steps = {
  first: null,
  next: (table) => table.page("next").draw("page"),
  descending: (table) => table.order([1, "desc"]).draw(),
  search: (table) => table.search("NEEDLE").draw(),
  nothing: (table) => table.search("50%_'\"; DROP TABLE devices --").draw(),
  column: (table) => table.search("").column(3).search("web").draw(),
  both: (table) => table.columns().search("").table().order([[3, "desc"], [1, "asc"]]).draw(),
  all: (table) => table.order([1, "asc"]).page.len(-1).draw(),
};

function fail(error) {
  console.error(error);
  process.exit(1);
}

/** The table's own account of itself, and what its cells say. */
function shown($, table) {
  const { recordsTotal, recordsDisplay } = table.page.info();
  const cells = $("tbody tr").toArray().map((row) => $(row).find("td").eq(1).text());
  return { draw: table.ajax.json()?.draw ?? null, recordsTotal, recordsDisplay, cells };
}

async function walk(module, ajax) {
  const page = new JSDOM("<table id='table'></table>", { url, runScripts: "outside-only" });
  for (const script of ["jquery", module]) {
    page.window.eval(readFileSync(require.resolve(script), "utf8"));
  }
  const { $ } = page.window;
  $.fn.dataTable.ext.errMode = "none";
  const element = $("#table").on("error.dt", (_event, settings, _note, message) => {
    fail(`${module}: ${message}: ${settings.jqXHR?.status} ${settings.jqXHR?.responseText}`);
  });
  const drawn = () => new Promise((resolve) => element.one("draw.dt", resolve));
  let done = drawn();
  const options = { serverSide: true, ajax, columns: [buttons, ...columns.map((data) => ({ data, title: data }))] };
  const table = element.DataTable(options);
  const walked = { version: $.fn.dataTable.version };
  for (const [name, step] of Object.entries(steps)) {
    if (step) {
      done = drawn();
      step(table);
    }
    await done;
    walked[name] = shown($, table);
  }
  page.window.close();
  return walked;
}

async function main() {
  const walks = {};
  for (const module of ["datatables-1", "datatables-2"]) {
    for (const [way, ajax] of Object.entries(ways)) {
      walks[`${module} ${way}`] = await walk(module, ajax);
    }
  }
  console.log(JSON.stringify(walks));
}

main().catch(fail);
