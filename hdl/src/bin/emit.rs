fn main() {
    let which = std::env::args().nth(1).unwrap();
    let e = match which.as_str() {
        "load_engine" => hdl::emit::emit(&hdl::engine::LoadEngine::new(16), &which),
        "gemm_engine" => hdl::emit::emit(&hdl::engine::GemmEngine::new(16,16), &which),
        "store_engine" => hdl::emit::emit(&hdl::engine::StoreEngine::new(16,16), &which),
        "array" => hdl::emit::emit(&hdl::array::Array::new(16,16), &which),
        "accumulators" => hdl::emit::emit(&hdl::mem::Accumulators::new(512,16), &which),
        "systole_card" => { match hdl::emit_card(&isa::config::Config::default()) { Ok(e) => Ok(e), Err(e) => panic!("{e}") } }
        _ => panic!(),
    };
    match e {
        Ok(e) => println!("{}", e.verilog()),
        Err(e) => { eprintln!("{e}"); std::process::exit(1) }
    }
}
